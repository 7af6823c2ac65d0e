/*
 * The kernel as podwire's peer: `podwire bench --against kernel` builds this program, makes the namespaces that it names, and
 * runs it once for each measurement. It prints one line of JSON.
 *
 *   kernel WORKLOAD inject|connect|tcp SECONDS CORE …      each file tells what follows
 */
#include "common.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  int (*measure)(double seconds, int words, char **word, struct outcome *outcome);
} kinds[] = {{"inject", inject}, {"connect", connect_first}, {"tcp", tcp}};

int main(int count, char **word)
{
  signal(SIGPIPE, SIG_IGN);
  struct outcome found = {0};
  int done = 0;
  for (unsigned i = 0; count > 5 && i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(word[2], kinds[i].name) != 0)
      continue;
    /* Whatever the machine is at, this is over some day. */
    alarm(60 + 20 * atof(word[3]));
    pin(atoi(word[4]));
    done = kinds[i].measure(atof(word[3]), count - 5, word + 5, &found);
  }
  if (!done) {
    fprintf(stderr, "kernel WORKLOAD inject|connect|tcp SECONDS CORE ...\n");
    return 2;
  }
  printf("{\"peer\":\"kernel\",\"workload\":\"%s\",\"variant\":\"%s\",\"frame\":%d,\"sent\":%llu,\"frames\":%llu,"
         "\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"gbps\":",
         word[1], found.variant, found.frame, (unsigned long long)found.sent, (unsigned long long)found.frames,
         found.seconds, found.cpu_seconds);
  if (found.bytes > 0)
    printf("%.4f}\n", found.bytes * 8 / found.seconds / 1e9);
  else
    printf("null}\n");
  return 0;
}
