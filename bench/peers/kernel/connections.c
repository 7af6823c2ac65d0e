/*
 * W6: the first packet of a connection, to Services chosen all over the list. Each frame is a flow that conntrack has not seen.
 * They leave A's eth0 by a packet socket, 64 at a time, past its queue; B drops them at its ingress. Every 60,000 connections
 * the node forgets them all, as `conntrack -F` does, which is not measured.
 *
 *   connect SECONDS CORE  A B NODE  FRAME SERVICES
 *
 * FRAME is a call of the first Service: the others' addresses follow it.
 */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 60000
#define FIRST_PORT 1024
/* A prime, so that neighbouring connections call distant Services. */
#define STRIDE 7919
#define IP 14
#define UDP 34

static uint8_t frames[BATCH][MAX_FRAME];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static int packet_socket(void)
{
  int raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex("eth0")};
  int yes = 1, room = 64 << 20;
  if (raw < 0 || bind(raw, (struct sockaddr *)&at, sizeof at) < 0)
    fail("packet socket");
  if (setsockopt(raw, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) < 0)
    fail("PACKET_QDISC_BYPASS");
  setsockopt(raw, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  return raw;
}

/* All that this namespace tracks: a delete without a tuple. */
static void forget_connections(const char *node)
{
  enter(node);
  struct {
    struct nlmsghdr head;
    struct nfgenmsg what;
  } request = {
      .head = {.nlmsg_len = sizeof request,
               .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
               .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
      .what = {.nfgen_family = AF_INET, .version = NFNETLINK_V0},
  };
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
  } answer;
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (netlink < 0 || send(netlink, &request, sizeof request, 0) < 0 || recv(netlink, &answer, sizeof answer, 0) < 0)
    fail("conntrack");
  if (answer.head.nlmsg_type == NLMSG_ERROR && answer.error.error != 0) {
    errno = -answer.error.error;
    fail("conntrack");
  }
  close(netlink);
}

/* A flow of its own, with checksums that are right. */
static void fill(uint8_t *frame, int length, uint32_t first, uint32_t connection, uint32_t services)
{
  uint32_t service = first + (uint64_t)connection * STRIDE % services;
  put16(frame + IP + 16, service >> 16);
  put16(frame + IP + 18, service);
  put16(frame + IP + 10, 0);
  put16(frame + IP + 10, folded(sum_of(frame + IP, 20, 0)));
  put16(frame + UDP, FIRST_PORT + connection);
  put16(frame + UDP + 6, 0);
  uint32_t pseudo = sum_of(frame + IP + 12, 8, 17 + length - UDP);
  uint16_t checksum = folded(sum_of(frame + UDP, length - UDP, pseudo));
  put16(frame + UDP + 6, checksum == 0 ? 0xffff : checksum);
}

int connect_first(double seconds, int words, char **word, struct outcome *outcome)
{
  if (words != 5)
    return 0;
  static uint8_t frame[MAX_FRAME];
  const char *a = word[0], *b = word[1], *node = word[2];
  int length = read_frame(word[3], frame);
  uint32_t services = atoi(word[4]);
  uint32_t first = (uint32_t)frame[IP + 16] << 24 | frame[IP + 17] << 16 | frame[IP + 18] << 8 | frame[IP + 19];
  enter(a);
  int raw = packet_socket();
  for (int i = 0; i < BATCH; i++) {
    memcpy(frames[i], frame, length);
    pieces[i] = (struct iovec){.iov_base = frames[i], .iov_len = length};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  greet(b, frame + IP + 12);
  usleep(50000);
  outcome->variant = "connect-1core";
  outcome->frame = length;
  int warm = 1;
  while (outcome->seconds < seconds) {
    forget_connections(node);
    enter(b);
    uint32_t before = frames_received(), sent = 0;
    double wall = wall_clock(), cpu = cpu_clock(), passed = 0;
    double longest = warm ? 0.05 : seconds - outcome->seconds;
    for (uint32_t made = 0; made + BATCH <= CONNECTIONS && passed < longest; made += BATCH) {
      for (int i = 0; i < BATCH; i++)
        fill(frames[i], length, first, made + i, services);
      int taken = sendmmsg(raw, messages, BATCH, 0);
      if (taken < 0)
        fail("sendmmsg");
      sent += taken;
      passed = wall_clock() - wall;
    }
    double used = cpu_clock() - cpu;
    if (!warm) {
      outcome->seconds += passed;
      outcome->cpu_seconds += used;
      outcome->sent += sent;
      outcome->frames += (uint32_t)(frames_received() - before);
    }
    warm = 0;
  }
  return 1;
}
