"""The traffic programs of podwire's `python3 apps.py VERB …`, as real programs: the same socket calls in the same order.

`apps.py all "VERB …" "VERB …"` runs several servers in one process and prints `ready` when all of them listen.
"""
import socket
import sys
import threading
import time


def tcp_listener(port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", int(port)))
    listener.listen(128)
    return listener


def each_connection(port, serve):
    listener = tcp_listener(port)

    def loop():
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=guarded, args=(serve, connection, peer), daemon=True).start()

    return loop


def guarded(serve, connection, peer):
    try:
        serve(connection, peer)
    except OSError:
        pass
    finally:
        connection.close()


def http(port, name="", size="0"):
    def serve(connection, peer):
        waiting = b""
        while True:
            while b"\r\n\r\n" not in waiting:
                piece = connection.recv(65536)
                if not piece:
                    return
                waiting += piece
            waiting = waiting.partition(b"\r\n\r\n")[2]
            body = b"x" * int(size) or f"{name} sees {peer[0]}\n".encode()
            head = f"HTTP/1.1 200 OK\r\nServer: podlab\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    return each_connection(port, serve)


def sink(port):
    listener = tcp_listener(port)

    def loop():
        while True:
            connection, _ = listener.accept()
            count = 0
            while piece := connection.recv(65536):
                count += len(piece)
            connection.sendall(f"got {count}\n".encode())
            connection.close()

    return loop


def tcpecho(port):
    def serve(connection, _):
        while piece := connection.recv(16384):
            connection.sendall(piece)

    return each_connection(port, serve)


def udpecho(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", int(port)))

    def loop():
        while True:
            payload, peer = server.recvfrom(65535)
            server.sendto(payload, peer)

    return loop


SERVERS = {"http": http, "sink": sink, "tcpecho": tcpecho, "udpecho": udpecho}


def serve_all(*servers):
    loops = [SERVERS[verb](*arguments) for verb, *arguments in (server.split() for server in servers)]
    for loop in loops:
        threading.Thread(target=loop, daemon=True).start()
    print("ready", flush=True)
    while True:
        time.sleep(3600)


def send(address, port, size):
    client = socket.create_connection((address, int(port)))
    whole, rest = divmod(int(size), 16)
    client.sendall(b"abcdefghijklmnop" * whole + b"z" * rest)
    client.shutdown(socket.SHUT_WR)
    answer = b""
    while piece := client.recv(4096):
        answer += piece
    client.close()
    print(answer.decode().strip())


def udpsend(address, port, size, count="1", source_port="0", interval="1"):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if int(source_port):
        client.bind(("0.0.0.0", int(source_port)))
    client.connect((address, int(port)))
    client.settimeout(float(interval))
    for i in range(int(count)):
        began = time.time()
        try:
            client.send(bytes((j * 7 + i) & 255 for j in range(int(size))))
            print(f"{i + 1}: {len(client.recv(65535))} bytes back", flush=True)
        except OSError as error:
            print(f"{i + 1}: {error}", flush=True)
        time.sleep(max(0, float(interval) - (time.time() - began)))


VERBS = {**SERVERS, "all": serve_all, "send": send, "udpsend": udpsend}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
