#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void fail(const char *what)
{
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

double wall_clock(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static double seconds_of(struct timeval time)
{
  return time.tv_sec + time.tv_usec / 1e6;
}

double cpu_clock(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

void pin(int core)
{
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  if (sched_setaffinity(0, sizeof cores, &cores) < 0)
    fail("sched_setaffinity");
}

void enter(const char *netns)
{
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", netns);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || setns(file, CLONE_NEWNET) < 0)
    fail(path);
  close(file);
}

static void counters(uint32_t *received, uint32_t *sent)
{
  struct ifaddrs *all;
  if (getifaddrs(&all) < 0)
    fail("getifaddrs");
  *received = *sent = 0;
  for (struct ifaddrs *each = all; each != NULL; each = each->ifa_next) {
    if (each->ifa_addr == NULL || each->ifa_addr->sa_family != AF_PACKET || strcmp(each->ifa_name, "eth0") != 0)
      continue;
    const struct rtnl_link_stats *stats = each->ifa_data;
    *received = stats->rx_packets;
    *sent = stats->tx_packets;
  }
  freeifaddrs(all);
}

uint32_t frames_received(void)
{
  uint32_t received, sent;
  counters(&received, &sent);
  return received;
}

uint32_t frames_passed(void)
{
  uint32_t received, sent;
  counters(&received, &sent);
  return received + sent;
}

void greet(const char *netns, const uint8_t address[4])
{
  enter(netns);
  int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
  memcpy(&to.sin_addr, address, 4);
  if (datagrams < 0 || sendto(datagrams, "podwire", 7, 0, (struct sockaddr *)&to, sizeof to) < 0)
    fail("greeting");
  close(datagrams);
}

uint32_t sum_of(const uint8_t *bytes, int length, uint32_t sum)
{
  for (int i = 0; i + 1 < length; i += 2)
    sum += bytes[i] << 8 | bytes[i + 1];
  if (length & 1)
    sum += bytes[length - 1] << 8;
  return sum;
}

uint16_t folded(uint32_t sum)
{
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

void put16(uint8_t *at, uint32_t value)
{
  at[0] = value >> 8;
  at[1] = value;
}

static int nibble(char digit)
{
  const char *digits = "0123456789abcdef";
  const char *found = digit == 0 ? NULL : strchr(digits, digit);
  if (found == NULL) {
    errno = EINVAL;
    fail("frame");
  }
  return found - digits;
}

int read_frame(const char *digits, uint8_t frame[MAX_FRAME])
{
  int length = strlen(digits) / 2;
  if (length < 48 || length > MAX_FRAME) {
    errno = EMSGSIZE;
    fail("frame");
  }
  for (int i = 0; i < length; i++)
    frame[i] = nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]);
  return length;
}
