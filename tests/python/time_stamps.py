"""A time-stamp authority over HTTP (RFC 3161, section 3.4): `openssl ts -reply` answers.

Stands in the directory with tsa.cnf, keys and certificates; writes its port to the file `port`.
"""

import os
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer


class Stamps(BaseHTTPRequestHandler):
    def do_POST(self):
        query = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] != "application/timestamp-query":
            self.send_error(415)
            return
        with open("query.tsq", "wb") as file:
            file.write(query)
        words = ["openssl", "ts", "-reply", "-config", "tsa.cnf"]
        words += ["-queryfile", "query.tsq", "-out", "answer.tsr"]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        with open("answer.tsr", "rb") as file:
            answer = file.read()
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Stamps)
with open("port.part", "w") as file:
    file.write(str(server.server_address[1]))
os.rename("port.part", "port")
server.serve_forever()
