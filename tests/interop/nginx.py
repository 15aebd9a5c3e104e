"""What the configurations of nginx have in common: one process in the foreground, whose files are all in a folder of the test."""

# Up to the inside of `http`. The number of calls is more than a test makes on one connection.
HEAD = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;"""
