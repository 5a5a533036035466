#!/usr/bin/env python3
"""The tutorial's design: one socket, one loop, members looked over only while broadcasting.

usage: tutorial.py PORT TIMEOUT_SECONDS
"""
import socket
import sys
import time

port, timeout = int(sys.argv[1]), float(sys.argv[2])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
server.bind(("127.0.0.1", port))
last_seen = {}

while True:
    data, client = server.recvfrom(1024)
    text = data.strip()
    if text == b"quit":
        last_seen.pop(client, None)
        continue
    last_seen[client] = time.monotonic()
    if text == b"^hb^":
        continue
    message = data + b". from %s:%d" % (client[0].encode(), client[1])
    for member, seen in list(last_seen.items()):
        if time.monotonic() - seen > timeout:
            del last_seen[member]
        else:
            server.sendto(message, member)
