import { defineConfig } from 'vitest/config'

// Where CI wants the results as JSON, beside the text for people.
const report = process.env.PODWIRE_TEST_REPORT

/** `npm run test:wireshark`: with the tshark that is installed on this machine. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/wireshark/*.tshark.ts'],
    // Each test starts processes and waits for them.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
