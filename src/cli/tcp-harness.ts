/** `podwire tcp-harness`: requests on standard input, events on standard output, one JSON object a line. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { TcpHarness } from './harness/harness.ts'

/** Runs until the input ends; returns the exit code. */
export async function tcpHarness(
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stdout,
): Promise<number> {
  const harness = new TcpHarness()
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  for await (const line of lines) {
    if (line.trim() === '') continue
    const answer = harness.request(line).map((event) => `${JSON.stringify(event)}\n`)
    // A reader that is slow is waited for.
    if (!output.write(answer.join(''))) await once(output, 'drain')
  }
  return 0
}
