"""The look of the status page: its style sheet and its icon."""

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--panel:#f5f6f8;--text:#1b1f24;--quiet:#505a64;--line:#c4cad1;
--link:#0b4fb3;--bad:#b3261e;--good:#176b34}
@media(prefers-color-scheme:dark){:root{--ground:#14171a;--panel:#1d2125;--text:#e8eaed;--quiet:#aab2bb;--line:#444c55;
--link:#93bbff;--bad:#ff9188;--good:#7fd69a}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.25rem;max-width:84rem;background:var(--ground);color:var(--text);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.25rem 0}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.5rem 0;padding:0;list-style:none}
nav a{display:inline-block;padding:.25rem 0}
summary{cursor:pointer}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.25rem;padding:.25rem .5rem;background:var(--ground)}
.quiet{color:var(--quiet)}
.bad{color:var(--bad);font-weight:600}
.good{color:var(--good);font-weight:600}
.wide{overflow-x:auto}
.side{display:flex;flex-wrap:wrap;gap:0 2.5rem;align-items:flex-start}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem;margin:0;padding:.75rem 1rem;
background:var(--panel);border-radius:.4rem}
dt{color:var(--quiet)}
dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--quiet);padding:.25rem 0}
th,td{padding:.4rem .75rem .4rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tbody th{font-weight:600;overflow-wrap:anywhere;min-width:10rem}
.side tbody th{min-width:0}
th .quiet{font-weight:400}
thead th{font-weight:600;white-space:nowrap;color:var(--quiet);vertical-align:bottom}
.number{text-align:right;white-space:nowrap}
ul.plain{margin:0;padding:0;list-style:none;white-space:nowrap}
code{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}
svg{display:block;fill:var(--bad);margin-bottom:.15rem}
svg+.quiet{font-size:.85rem;white-space:nowrap}
svg .base{fill:var(--quiet)}
@media(forced-colors:active){svg,svg .base{fill:CanvasText}}
"""
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath fill='%23b3261e' d='M1 15V9h3v6zm5 0V2h3v13zm5 0V6h3v9z'/%3E%3C/svg%3E"
)
