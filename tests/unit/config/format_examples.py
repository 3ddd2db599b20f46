"""Files that hold a log format in every way that proxies and their charts keep one: content, profile, format."""

import textwrap

from enricher.accesslog.nginx import INGRESS_NGINX

NGINX = '$remote_addr [$time_local] "$request" $status $upstream_addr $upstream_status $request_time'
LINES = '$remote_addr [$time_local] "$request"\n$status $upstream_addr $upstream_status\n$request_time'
JSON = '{"at": "$time_iso8601", "code": "$status", "to": "$upstream_addr", "took": "$request_time"}'
ENVOY = '[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)%" %RESPONSE_CODE% %RESPONSE_FLAGS% "%UPSTREAM_HOST%"'
ENVOY_JSON = '{"at":"%START_TIME%","code":"%RESPONSE_CODE%","to":"%UPSTREAM_HOST%"}'
HAPROXY = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc %si:%sp %{+Q}r"

FILES = {
    "the format itself": (NGINX, None, NGINX),
    "the format itself with its escaping": (f"escape=json {JSON}", None, f"escape=json {JSON}"),
    "a value of F5's controller over several lines": (f"{LINES}\n", None, NGINX),
    "its escaping in a line of its own": (f"escape=json\n{JSON}\n", None, f"escape=json {JSON}"),
    "a value copied with its indentation": (textwrap.indent(LINES, "      "), None, NGINX),
    "the same from its first character": (textwrap.indent(LINES, "      ").lstrip(), None, NGINX),
    "lines with Windows ends": (LINES.replace("\n", "\r\n"), None, NGINX),
    "the arguments of the directive": (
        "escape=none '$status '\n   '$upstream_addr';\n",
        None,
        "escape=none $status $upstream_addr",
    ),
    "nginx.conf": (
        """
        http {
            # log_format old '$status';
            log_format timed escape=json '$status ' '$upstream_addr';  # kept short
            access_log /dev/stdout timed;
        }
        """,
        None,
        "escape=json $status $upstream_addr",
    ),
    "nginx.conf with Lua": (
        f"""
        http {{
            init_by_lua_block {{ -- don't
                local log_format = '#'
            }}
            log_format upstreaminfo '{NGINX}';
        }}
        """,
        None,
        NGINX,
    ),
    "values of ingress-nginx": (
        """
        controller:
          config:
            log-format-escape-json: true
            log-format-upstream: '{"at": "$time_iso8601", "code": "$status",
                  "to": "$upstream_addr", "took": "$request_time"}'
        """,
        "ingress-nginx",
        f"escape=json {JSON}",
    ),
    "values of ingress-nginx below another chart's": (
        """
        edge:
          ingress-nginx:
            controller:
              config:
                log-format-escape-none: "true"
                log-format-escape-json: "true"
                log-format-upstream: >-
                  $remote_addr [$time_local] "$request"
                  $status $upstream_addr $upstream_status
                  $request_time
        """,
        "ingress-nginx",
        f"escape=none {NGINX}",
    ),
    "a ConfigMap of ingress-nginx": (
        f"""
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: ingress-nginx-controller
          annotations:
            kubectl.kubernetes.io/last-applied-configuration: |
              {{"data": {{"log-format-upstream": "$host"}}}}
        data:
          log-format-escape-json: "false"
          log-format-upstream: |
            {NGINX}
        """,
        "ingress-nginx",
        NGINX,
    ),
    "kubectl's list in JSON": (
        '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}},'
        ' {"apiVersion": "v1", "kind": "ConfigMap", "data": {"log-format-upstream": "$status $upstream_addr"}}]}',
        "ingress-nginx",
        "$status $upstream_addr",
    ),
    "Argo CD's Application": (
        """
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata: {name: edge, namespace: argocd}
        spec:
          source:
            helm:
              values: |
                controller:
                  config:
                    log-format-upstream: $status $upstream_addr
        """,
        "ingress-nginx",
        "$status $upstream_addr",
    ),
    "a ConfigMap of F5's controller": (
        """
        kind: ConfigMap
        apiVersion: v1
        metadata: {name: nginx-config, namespace: nginx-ingress}
        data:
          log-format-escaping: json
          log-format: |
            $remote_addr [$time_local] "$request"

            $status $upstream_addr $upstream_status
            $request_time
          stream-log-format: $remote_addr $status $session_time
          stream-log-format-escaping: none
        """,
        "nginx-ingress",
        f"escape=json {NGINX}",
    ),
    "values of F5's controller": (
        f"""
        controller:
          config:
            entries:
              log-format: '{NGINX}'
        """,
        "nginx-ingress",
        NGINX,
    ),
    "a snippet of F5's ConfigMap": (
        """
        kind: ConfigMap
        apiVersion: v1
        metadata: {name: nginx-config, namespace: nginx-ingress}
        data:
          http-snippets: |
            log_format shop escape=json '$status '
            '$upstream_addr';
            access_log /var/log/nginx/access.log shop;
        """,
        None,
        "escape=json $status $upstream_addr",
    ),
    "NginxProxy of NGINX Gateway Fabric": (
        f"""
        apiVersion: gateway.nginx.org/v1alpha2
        kind: NginxProxy
        metadata: {{name: edge}}
        spec:
          logging:
            accessLog:
              escape: json
              format: '{NGINX}'
        """,
        None,
        f"escape=json {NGINX}",
    ),
    "APISIX": (
        f"""
        nginx_config:
          http:
            access_log_format: '{NGINX}'
            access_log_format_escape: json
        """,
        None,
        f"escape=json {NGINX}",
    ),
    "APISIX's chart": (
        f"""
        apisix:
          nginx:
            logs:
              accessLogFormat: '{NGINX}'
              accessLogFormatEscape: default
        """,
        None,
        NGINX,
    ),
    "Kong's values": (
        """
        env:
          nginx_http_log_format: timed escape=json '$status $upstream_addr'
          proxy_access_log: /dev/stdout timed
        """,
        None,
        "escape=json $status $upstream_addr",
    ),
    "Kong's Deployment": (
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: kong}
        spec:
          template:
            spec:
              containers:
              - env:
                - {name: KONG_NGINX_HTTP_LOG_FORMAT, value: "timed '$status $upstream_addr'"}
        """,
        None,
        "$status $upstream_addr",
    ),
    "EnvoyProxy with a text": (
        f"""
        apiVersion: gateway.envoyproxy.io/v1alpha1
        kind: EnvoyProxy
        metadata: {{name: edge, namespace: gateways}}
        spec:
          telemetry:
            accessLog:
              settings:
              - format:
                  type: Text
                  text: |
                    {ENVOY}
                sinks: [{{type: File, file: {{path: /dev/stdout}}}}]
        """,
        "envoy",
        ENVOY,
    ),
    "CiliumGatewayClassConfig with a text": (
        f"""
        apiVersion: cilium.io/v2alpha1
        kind: CiliumGatewayClassConfig
        metadata: {{name: edge}}
        spec:
          telemetry:
            accessLogs:
            - format: Text
              targets: [TCP]
              text: '%UPSTREAM_HOST% %BYTES_SENT%'
            - format: Text
              json: {{code: '%RESPONSE_CODE%'}}
              text: |
                {ENVOY}
        """,
        "envoy",
        ENVOY,
    ),
    "CiliumGatewayClassConfig with JSON": (
        """
        apiVersion: cilium.io/v2alpha1
        kind: CiliumGatewayClassConfig
        metadata: {name: edge}
        spec:
          telemetry:
            accessLogs:
            - format: JSON
              json: {at: '%START_TIME%', code: '%RESPONSE_CODE%', to: '%UPSTREAM_HOST%'}
              text: '%UPSTREAM_HOST% %RESPONSE_CODE%'
        """,
        "envoy",
        '{"at":"%START_TIME%","code":"%RESPONSE_CODE%","to":"%UPSTREAM_HOST%"}',
    ),
    "EnvoyProxy with JSON": (
        """
        apiVersion: gateway.envoyproxy.io/v1alpha1
        kind: EnvoyProxy
        metadata: {name: edge, namespace: gateways}
        spec:
          telemetry:
            accessLog:
              settings:
              - format:
                  json:
                    at: '%START_TIME%'
                    code: '%RESPONSE_CODE%'
                    to: '%UPSTREAM_HOST%'
        """,
        "envoy",
        ENVOY_JSON,
    ),
    "Istio's values": (
        f"""
        meshConfig:
          accessLogFile: /dev/stdout
          accessLogEncoding: TEXT
          accessLogFormat: |
            {ENVOY}
        """,
        "envoy",
        ENVOY,
    ),
    "Istio's ConfigMap with JSON": (
        f"""
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: istio, namespace: istio-system}}
        data:
          mesh: |-
            accessLogEncoding: JSON
            accessLogFormat: '{ENVOY_JSON}'
          meshNetworks: 'networks: {{}}'
        """,
        "envoy",
        ENVOY_JSON,
    ),
    "Istio's extension providers, and a Telemetry that chooses one": (
        """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: istio, namespace: istio-system}
        data:
          mesh: |-
            accessLogFormat: '%RESPONSE_CODE% %UPSTREAM_HOST%'
            extensionProviders:
            - name: short
              envoyFileAccessLog: {path: /dev/stdout, logFormat: {text: '%UPSTREAM_HOST% %RESPONSE_CODE%'}}
            - name: json
              envoyFileAccessLog:
                path: /dev/stdout
                logFormat:
                  labels:
                    at: '%START_TIME%'
                    code: '%RESPONSE_CODE%'
                    to: '%UPSTREAM_HOST%'
        ---
        apiVersion: telemetry.istio.io/v1
        kind: Telemetry
        metadata: {name: mesh, namespace: istio-system}
        spec:
          accessLogging:
          - providers:
            - name: json
        """,
        "envoy",
        ENVOY_JSON,
    ),
    "Envoy's own configuration": (
        f"""
        static_resources:
          listeners:
          - filter_chains:
            - filters:
              - typed_config:
                  access_log:
                  - name: envoy.access_loggers.stdout
                    typed_config:
                      log_format:
                        text_format_source:
                          inline_string: '{ENVOY}'
        """,
        "envoy",
        ENVOY,
    ),
    "Envoy's own configuration with JSON": (
        f'{{"access_log": [{{"typed_config": {{"log_format": {{"json_format": {ENVOY_JSON}}}}}}}]}}',
        "envoy",
        ENVOY_JSON,
    ),
    "kgateway": (
        f"""
        apiVersion: gateway.kgateway.dev/v1alpha1
        kind: HTTPListenerPolicy
        metadata: {{name: logs, namespace: gateways}}
        spec:
          accessLog:
          - fileSink:
              path: /dev/stdout
              stringFormat: '{ENVOY}'
        """,
        "envoy",
        ENVOY,
    ),
    "Contour's ConfigMap with a text": (
        f"""
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: contour, namespace: projectcontour}}
        data:
          contour.yaml: |
            accesslog-format: envoy
            accesslog-format-string: '{ENVOY}'
        """,
        "envoy",
        ENVOY,
    ),
    "Contour's ConfigMap with fields": (
        """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: contour, namespace: projectcontour}
        data:
          contour.yaml: |
            accesslog-format: json
            json-fields:
            - "@timestamp"
            - response_code
            - upstream_host
            - method
            - agent=%REQ(USER-AGENT)%
        """,
        "envoy",
        '{"@timestamp":"%START_TIME%","response_code":"%RESPONSE_CODE%","upstream_host":"%UPSTREAM_HOST%",'
        '"method":"%REQ(:METHOD)%","agent":"%REQ(USER-AGENT)%"}',
    ),
    "ContourConfiguration": (
        """
        apiVersion: projectcontour.io/v1alpha1
        kind: ContourConfiguration
        metadata: {name: contour}
        spec:
          envoy:
            logging:
              accessLogFormat: json
              accessLogJSONFields: [response_code, upstream_host, duration]
        """,
        "envoy",
        '{"response_code":"%RESPONSE_CODE%","upstream_host":"%UPSTREAM_HOST%","duration":"%DURATION%"}',
    ),
    "Emissary's Module": (
        f"""
        apiVersion: getambassador.io/v3alpha1
        kind: Module
        metadata: {{name: ambassador}}
        spec:
          config:
            envoy_log_type: text
            envoy_log_format: '{ENVOY}'
        """,
        "envoy",
        ENVOY,
    ),
    "Consul's ProxyDefaults": (
        f"""
        apiVersion: consul.hashicorp.com/v1alpha1
        kind: ProxyDefaults
        metadata: {{name: global}}
        spec:
          accessLogs:
            enabled: true
            textFormat: '{ENVOY}'
        """,
        "envoy",
        ENVOY,
    ),
    "Traefik's values": (
        """
        logs:
          access:
            enabled: true
            format: json
            fields: {general: {defaultmode: keep, names: {ClientUsername: drop}}}
        """,
        "traefik",
        "json",
    ),
    "Traefik's values without a format": ("logs:\n  access:\n    enabled: true\n", "traefik", "common"),
    "traefik.yml": ("accessLog:\n  filePath: /var/log/access.log\n  format: json\n", "traefik", "json"),
    "traefik.toml": ('[entryPoints]\n[accessLog] # all\n  format = "json"\n  [accessLog.fields]\n', "traefik", "json"),
    "traefik.toml without a format": ('[accessLog]\nfilePath = "/x"\n', "traefik", "common"),
    "traefik.yml without a format": ("entryPoints: {}\naccessLog: {}\n", "traefik", "common"),
    "Traefik's flags": (
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: traefik}
        spec: {template: {spec: {containers: [{args: ["--accesslog=true", "--accesslog.format=json"]}]}}}
        """,
        "traefik",
        "json",
    ),
    "k3s's HelmChartConfig": (
        """
        apiVersion: helm.cattle.io/v1
        kind: HelmChartConfig
        metadata: {name: traefik, namespace: kube-system}
        spec:
          valuesContent: |-
            logs:
              access:
                enabled: true
                format: json
        """,
        "traefik",
        "json",
    ),
    "the ConfigMap of HAProxy Technologies' controller": (
        f"""
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: haproxy-kubernetes-ingress}}
        data:
          log-format: '{HAPROXY}'
        """,
        "haproxy",
        HAPROXY,
    ),
    "the ConfigMap of jcmoraisjr's controller": (
        f"""
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: haproxy-ingress}}
        data:
          auth-log-format: '%ci:%cp %si:%sp'
          tcp-log-format: '%ci:%cp [%t] %ft %b/%s %si:%sp'
          http-log-format: '{HAPROXY}'
        """,
        "haproxy",
        HAPROXY,
    ),
    "OpenShift's IngressController": (
        f"""
        apiVersion: operator.openshift.io/v1
        kind: IngressController
        metadata: {{name: default, namespace: openshift-ingress-operator}}
        spec:
          logging:
            access:
              destination: {{type: Container}}
              httpLogFormat: '{HAPROXY}'
        """,
        "haproxy",
        HAPROXY,
    ),
    "haproxy.cfg in quotes": (
        f"""
        global
            log stdout format raw local0  # don't
        defaults
            mode http
            log-format "{HAPROXY}"
        """,
        "haproxy",
        HAPROXY,
    ),
    "haproxy.cfg with backslashes": (
        'frontend web\n    log-format %ci:%cp\\ [%tr]\\ \\"%ST\\"\\ %si:%sp # all\n',
        "haproxy",
        '%ci:%cp [%tr] "%ST" %si:%sp',
    ),
    "haproxy.cfg in a ConfigMap": (
        f"""
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: lb}}
        data:
          haproxy.cfg: |
            frontend web
                option httplog
                log-format '{HAPROXY}'
        """,
        "haproxy",
        HAPROXY,
    ),
    "nginx.conf with a quote in the format": (
        r"""
        log_format odd 'it\'s # $status $upstream_addr';  # it's all
        """,
        None,
        "it's # $status $upstream_addr",
    ),
    "only the escaping of ingress-nginx": (
        """
        kind: ConfigMap
        apiVersion: v1
        metadata: {name: ingress-nginx-controller}
        data:
          log-format-escape-json: "true"
        """,
        "ingress-nginx",
        f"escape=json {INGRESS_NGINX}",
    ),
    "helm get values": (
        """
        USER-SUPPLIED VALUES:
        controller:
          config:
            log-format-upstream: $status $upstream_addr
        """,
        "ingress-nginx",
        "$status $upstream_addr",
    ),
    "kustomize's literals": (
        """
        configMapGenerator:
        - name: ingress-nginx-controller
          literals:
          - log-format-escape-json=true
          - log-format-upstream=$status $upstream_addr "$args"
        """,
        "ingress-nginx",
        'escape=json $status $upstream_addr "$args"',
    ),
    "a JSON patch": (
        """
        - op: add
          path: /data/log-format-upstream
          value: $status $upstream_addr
        """,
        "ingress-nginx",
        "$status $upstream_addr",
    ),
    "Argo CD's parameters": (
        """
        spec:
          source:
            helm:
              parameters:
              - {name: controller.config.log-format-upstream, value: $status $upstream_addr}
        """,
        "ingress-nginx",
        "$status $upstream_addr",
    ),
    "the data alone": ('{"log-format-upstream": "$status $upstream_addr"}', "ingress-nginx", "$status $upstream_addr"),
    "EnvoyProxy with a collector": (
        f"""
        apiVersion: gateway.envoyproxy.io/v1alpha1
        kind: EnvoyProxy
        metadata: {{name: edge, namespace: gateways}}
        spec:
          telemetry:
            accessLog:
              settings:
              - format: {{type: Text, text: '%UPSTREAM_HOST% %RESPONSE_CODE%'}}
                sinks: [{{type: OpenTelemetry}}]
              - format: {{type: Text, text: '{ENVOY}'}}
                sinks: [{{type: File}}]
        """,
        "envoy",
        ENVOY,
    ),
    "a list of ConfigMaps with dashboards": (
        """
        apiVersion: v1
        kind: List
        items:
        - apiVersion: v1
          kind: ConfigMap
          metadata: {name: dashboards}
          data:
            access.json: |
              {"title": "access log", "panels": [{"expr": "rate($log_format)"}]}
            app.yaml: |
              log: {format: json, level: info}
              accessLog: {enabled: true}
            httpd.conf: |
              LogFormat "%h %l %u %t" common
            log-format: '%h %l %u %t %>s %b'
        - apiVersion: v1
          kind: ConfigMap
          metadata: {name: traefik}
          data:
            traefik.yml: |
              log: {format: common}
              accessLog: {format: json}
        """,
        "traefik",
        "json",
    ),
    "haproxy.cfg with an option": (
        """
        defaults
            mode http
            option  httpslog   # with TLS
        frontend web
            no option tcplog
        """,
        "haproxy",
        "httpslog",
    ),
    "haproxy.cfg with CLF": ("listen web\n  option httplog clf\n  option dontlognull\n", "haproxy", "httplog clf"),
    "haproxy.cfg with sessions too": (
        "frontend tcp\n  option tcplog\nfrontend web\n  option httplog\n",
        "haproxy",
        "httplog",
    ),
    "Traefik's generic format": ("accessLog:\n  format: genericCLF\n", "traefik", "genericCLF"),
    "Istio's default provider": (
        f"""
        meshConfig:
          defaultProviders: {{accessLogging: [text]}}
          extensionProviders:
          - name: collector
            envoyOtelAls: {{logFormat: {{text: '%UPSTREAM_HOST% %RESPONSE_CODE%'}}}}
          - name: text
            envoyFileAccessLog: {{path: /dev/stdout, logFormat: {{text: '{ENVOY}'}}}}
        """,
        "envoy",
        ENVOY,
    ),
    "Envoy's format strings alone": (
        "at: '%START_TIME%'\ncode: '%RESPONSE_CODE%'\nto: '%UPSTREAM_HOST%'\n",
        "envoy",
        ENVOY_JSON,
    ),
    "the same in JSON": (ENVOY_JSON, "envoy", ENVOY_JSON),
    "a mesh of one line": (
        "data:\n  mesh: \"accessLogFormat: '%RESPONSE_CODE% %UPSTREAM_HOST%'\"\n",
        "envoy",
        "%RESPONSE_CODE% %UPSTREAM_HOST%",
    ),
    "a format with a word and a colon before it": (
        'accesslog: "$request" $status $upstream_addr\n',
        None,
        'accesslog: "$request" $status $upstream_addr',
    ),
    "Istio's text that looks like JSON": (
        """
        meshConfig:
          accessLogEncoding: TEXT
          accessLogFormat: |
            {"code": %RESPONSE_CODE%, "to": "%UPSTREAM_HOST%", "took": %DURATION%}
        """,
        "envoy",
        '{"code": %RESPONSE_CODE%, "to": "%UPSTREAM_HOST%", "took": %DURATION%}',
    ),
}
