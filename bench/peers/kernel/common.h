/* What the programs of the kernel peer share: clocks, namespaces, counters, and the line that a measurement prints. */
#pragma once

#include <stdint.h>
#include <stdio.h>

/* Frames in one batch, as of podwire's own loads. */
#define BATCH 64
#define MAX_FRAME 2048

/* What one measurement found. `frames` have arrived; the times are without what is not measured, such as set-up. */
struct outcome {
  const char *variant;
  int frame;
  uint64_t sent;
  uint64_t frames;
  double seconds;
  double cpu_seconds;
  /* Payload that an application has read; 0 where none does. */
  uint64_t bytes;
};

/* Ends the program with what failed and why. */
void fail(const char *what);

/* Seconds of the wall's clock, and of this process's CPU time. */
double wall_clock(void);
double cpu_clock(void);

/* One core for everything that follows. */
void pin(int core);

/* Enters a network namespace that `ip netns add` has made. */
void enter(const char *netns);

/* Frames that this namespace's eth0 has received, or has sent and received. The kernel's counters are 32 bits wide here. */
uint32_t frames_received(void);
uint32_t frames_passed(void);

/* One datagram to port 9 from inside the namespace: whoever is on the way learns who is where. */
void greet(const char *netns, const uint8_t address[4]);

/* The one's complement sum of RFC 1071 over so many bytes, added to `sum`; folded, it is a checksum. */
uint32_t sum_of(const uint8_t *bytes, int length, uint32_t sum);
uint16_t folded(uint32_t sum);
void put16(uint8_t *at, uint32_t value);

/* A frame in hexadecimal digits; returns its length in bytes. */
int read_frame(const char *digits, uint8_t frame[MAX_FRAME]);

int inject(double seconds, int words, char **word, struct outcome *outcome);
int connect_first(double seconds, int words, char **word, struct outcome *outcome);
int tcp(double seconds, int words, char **word, struct outcome *outcome);
