/*
 * W1 to W4: frames that appear at the host's end of a pod's cable, in batches, as if a driver had received them:
 * BPF_PROG_TEST_RUN with live frames (kernel/bpf net/bpf/test_run.c, Linux 5.18). There are no sockets, no system calls and
 * no copies per frame, so it is the best that the kernel's forwarding can do. The end points drop them at their ingress.
 *
 *   inject SECONDS CORE  A B  NETNS DEVICE FRAME  [NETNS DEVICE FRAME]
 *
 * The first direction arrives at B's eth0, the second, where there is one, at A's; they take turns, call by call.
 */
#define _GNU_SOURCE
#include "common.h"

#include <linux/bpf.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ethernet, IPv4 and UDP: what forwarding may have rewritten in a page that is used again. */
#define HEADERS 48
/* Frames of the call that finds out how fast they go, and the fewest of any. */
#define TRIAL 65536
#define MOST 100000000
#define SETUPS 5
/* In seconds: a run takes no less, nor does a frame. */
#define LEAST 0.25
#define QUICKEST 1e-7
/* Calls in each direction, together as long as is asked for. */
#define CALLS 2
#define MOST_CALLS 8
#define TRIES 12

struct direction {
  const char *netns;
  const char *sink;
  int program;
  int device;
  int length;
  uint8_t frame[MAX_FRAME];
  /* What a call takes before it injects anything. */
  double setup;
  double cpu_setup;
};

static struct bpf_insn instruction(uint8_t code, int to, int from, int offset, int value)
{
  return (struct bpf_insn){.code = code, .dst_reg = to, .src_reg = from, .off = offset, .imm = value};
}

/* An XDP program that writes the frame's headers and passes it on. */
static int program_for(const uint8_t *frame)
{
  enum { RESULT = BPF_REG_0, CONTEXT = BPF_REG_1, DATA = BPF_REG_2, END = BPF_REG_3, NEEDED = BPF_REG_4 };
  struct bpf_insn code[HEADERS / 4 + 10];
  int length = 0, check;
  code[length++] = instruction(BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, XDP_PASS);
  code[length++] = instruction(BPF_LDX | BPF_MEM | BPF_W, DATA, CONTEXT, offsetof(struct xdp_md, data), 0);
  code[length++] = instruction(BPF_LDX | BPF_MEM | BPF_W, END, CONTEXT, offsetof(struct xdp_md, data_end), 0);
  code[length++] = instruction(BPF_ALU64 | BPF_MOV | BPF_X, NEEDED, DATA, 0, 0);
  code[length++] = instruction(BPF_ALU64 | BPF_ADD | BPF_K, NEEDED, 0, 0, HEADERS);
  check = length++;
  for (int at = 0; at < HEADERS; at += 4) {
    int32_t word;
    memcpy(&word, frame + at, 4);
    code[length++] = instruction(BPF_ST | BPF_MEM | BPF_W, DATA, 0, at, word);
  }
  /* The verifier wants to see that the bytes are there. */
  code[check] = instruction(BPF_JMP | BPF_JGT | BPF_X, NEEDED, END, length - check - 1, 0);
  code[length++] = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_XDP;
  attributes.insns = (uint64_t)(uintptr_t)code;
  attributes.insn_cnt = length;
  attributes.license = (uint64_t)(uintptr_t) "MIT";
  int program = syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
  if (program < 0)
    fail("the kernel did not take the XDP program");
  return program;
}

/* The namespace must have been entered. */
static void run(const struct direction *way, uint32_t frames)
{
  struct xdp_md context = {.data_end = way->length, .ingress_ifindex = way->device};
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.test.prog_fd = way->program;
  attributes.test.data_in = (uint64_t)(uintptr_t)way->frame;
  attributes.test.data_size_in = way->length;
  attributes.test.ctx_in = (uint64_t)(uintptr_t)&context;
  attributes.test.ctx_size_in = sizeof context;
  attributes.test.repeat = frames;
  attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  attributes.test.batch_size = BATCH;
  if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) < 0)
    fail("the kernel did not inject frames");
}

static void prepare(struct direction *way, char **word)
{
  way->netns = word[0];
  way->length = read_frame(word[2], way->frame);
  enter(way->netns);
  way->device = if_nametoindex(word[1]);
  if (way->device == 0)
    fail(word[1]);
  way->program = program_for(way->frame);
}

static int by_size(const void *a, const void *b)
{
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

/* A call of one batch is set-up, but for a batch. The median of some: it waits for other cores, which may be busy. */
static void find_setup(struct direction *way)
{
  double wall[SETUPS], cpu[SETUPS];
  enter(way->netns);
  run(way, BATCH);
  for (int i = 0; i < SETUPS; i++) {
    wall[i] = wall_clock();
    cpu[i] = cpu_clock();
    run(way, BATCH);
    wall[i] = wall_clock() - wall[i];
    cpu[i] = cpu_clock() - cpu[i];
  }
  qsort(wall, SETUPS, sizeof *wall, by_size);
  qsort(cpu, SETUPS, sizeof *cpu, by_size);
  way->setup = wall[SETUPS / 2];
  way->cpu_setup = cpu[SETUPS / 2];
}

static uint32_t arrived(const struct direction *way)
{
  enter(way->sink);
  return frames_received();
}

/*
 * Injects so many, and adds what it took to the outcome. Where the kernel leaves its softirqs to ksoftirqd, the process does not
 * do the work, and frames are lost while ksoftirqd waits for the core: that is another workload, and is done again.
 */
static void take(struct direction *way, uint32_t frames, struct outcome *outcome)
{
  for (int try = 1;; try++) {
    uint32_t before = arrived(way);
    enter(way->netns);
    double wall = wall_clock(), cpu = cpu_clock();
    run(way, frames);
    /* The set-up that is taken off has done a batch, too. */
    wall = wall_clock() - wall - way->setup;
    cpu = cpu_clock() - cpu - way->cpu_setup;
    uint32_t came = arrived(way) - before;
    if (try < TRIES && (came < frames || cpu < wall / 2))
      continue;
    outcome->seconds += wall;
    outcome->cpu_seconds += cpu;
    outcome->frames += came - BATCH;
    outcome->sent += frames - BATCH;
    return;
  }
}

int inject(double seconds, int words, char **word, struct outcome *outcome)
{
  static struct direction ways[2];
  if (words != 5 && words != 8)
    return 0;
  int directions = words == 8 ? 2 : 1;
  for (int i = 0; i < directions; i++) {
    prepare(&ways[i], word + 2 + 3 * i);
    ways[i].sink = word[i == 0 ? 1 : 0];
  }
  const uint8_t *sender = ways[0].frame + 26;
  const uint8_t *backend = directions == 2 ? ways[1].frame + 26 : ways[0].frame + 30;
  greet(word[0], backend);
  greet(word[1], sender);
  usleep(50000);
  for (int i = 0; i < directions; i++)
    find_setup(&ways[i]);
  struct outcome trial = {0};
  for (int i = 0; i < directions; i++)
    take(&ways[i], TRIAL, &trial);
  /* The set-ups that are taken off vary by more than a shorter run takes. */
  if (seconds < LEAST)
    seconds = LEAST;
  double each = trial.cpu_seconds / trial.sent;
  if (each < QUICKEST)
    each = QUICKEST;
  double frames = seconds / each / directions / CALLS;
  if (frames < TRIAL)
    frames = TRIAL;
  if (frames > MOST)
    frames = MOST;
  outcome->variant = "inject-1core";
  outcome->frame = ways[0].length;
  /* What is left must be more than what was taken off. */
  double off = 0;
  for (int call = 0; call < CALLS || (outcome->cpu_seconds < off && call < MOST_CALLS); call++) {
    for (int i = 0; i < directions; i++) {
      take(&ways[i], frames, outcome);
      off += ways[i].cpu_setup;
    }
    if (call >= CALLS)
      frames *= 2;
  }
  return 1;
}
