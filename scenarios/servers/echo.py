"""Three servers that are no chat, each in a few lines.

usage: echo.py PORT KIND

KIND is `echo` (sends everything back), `keep-alive` (answers PING with PONG, and nothing else), or
`pubsub` (`SUB` and `PUB TEXT`; who has subscribed gets `MSG TEXT`, but not of its own).
"""
import socket
import sys

port, kind = int(sys.argv[1]), sys.argv[2]
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
server.bind(("127.0.0.1", port))
subscribers = set()

while True:
    data, client = server.recvfrom(2048)
    if kind == "echo":
        server.sendto(data, client)
    elif kind == "keep-alive" and data.startswith(b"PING"):
        server.sendto(b"PONG" + data[4:], client)
    elif kind == "pubsub" and data.startswith(b"SUB"):
        subscribers.add(client)
    elif kind == "pubsub" and data.startswith(b"PUB "):
        for subscriber in subscribers - {client}:
            server.sendto(b"MSG " + data[4:], subscriber)
