"""Two proxies side by side: whether the one that is moved to serves as well as the one before. Pure."""
