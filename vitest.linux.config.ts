import { defineConfig } from 'vitest/config'

// Where CI wants the results as JSON, beside the text for people.
const report = process.env.PODWIRE_TEST_REPORT

/** `npm run test:linux`: as root, in network namespaces of this machine's kernel. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/linux/*.linux.ts'],
    globalSetup: ['test/linux/setup.ts'],
    pool: 'forks',
    // A case mostly waits: for ARP to give up, for tcpdump to end.
    maxConcurrency: 4,
    testTimeout: 80_000,
    hookTimeout: 30_000,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
