/*
 * W5: one TCP connection from A to a Service whose endpoint is B, as much as it takes. One process holds both ends, each in its
 * namespace, and writes and reads in turn, so that all of the kernel's work is done on one core.
 *
 *   tcp SECONDS CORE  A B  SERVICE PORT  BACKEND PORT
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536
#define WRITES 4
/* Seconds until the windows are open. */
#define WARM 0.1

static char outbox[CHUNK];
static char inbox[16 * CHUNK];

static struct sockaddr_in address_of(const char *text, const char *port)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
    errno = EINVAL;
    fail(text);
  }
  return address;
}

static int listen_at(struct sockaddr_in address)
{
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address) < 0 || listen(server, 1) < 0)
    fail("listen");
  return server;
}

/* Writes and reads for so long; returns what was read. */
static uint64_t transfer(int client, int server, double seconds)
{
  uint64_t bytes = 0;
  double end = wall_clock() + seconds;
  while (wall_clock() < end) {
    int idle = 1;
    for (int i = 0; i < WRITES && write(client, outbox, CHUNK) > 0; i++)
      idle = 0;
    for (ssize_t length; (length = read(server, inbox, sizeof inbox)) > 0; idle = 0)
      bytes += length;
    /* Segments are on their way in ksoftirqd, on this core. */
    struct pollfd ends[2] = {{.fd = client, .events = POLLOUT}, {.fd = server, .events = POLLIN}};
    if (idle)
      poll(ends, 2, 10);
  }
  return bytes;
}

int tcp(double seconds, int words, char **word, struct outcome *outcome)
{
  if (words != 6)
    return 0;
  enter(word[1]);
  int listener = listen_at(address_of(word[4], word[5]));
  enter(word[0]);
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in service = address_of(word[2], word[3]);
  if (client < 0 || connect(client, (struct sockaddr *)&service, sizeof service) < 0)
    fail("connect");
  int server = accept(listener, NULL, NULL);
  if (server < 0)
    fail("accept");
  fcntl(client, F_SETFL, O_NONBLOCK);
  fcntl(server, F_SETFL, O_NONBLOCK);
  transfer(client, server, WARM);
  uint32_t before = frames_passed();
  double wall = wall_clock(), cpu = cpu_clock();
  outcome->bytes = transfer(client, server, seconds);
  outcome->seconds = wall_clock() - wall;
  outcome->cpu_seconds = cpu_clock() - cpu;
  outcome->frames = outcome->sent = (uint32_t)(frames_passed() - before);
  outcome->variant = "sockets-1core";
  outcome->frame = 1450;
  return 1;
}
