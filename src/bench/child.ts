/**
 * The process in which one point is measured: its order as JSON in the first argument, a Measurement on standard output. It runs as
 * one file, as the command does (cli/bundle.ts): V8 takes what a file of its own declares for what it is, and what a module
 * imports for something to be looked up each time. Forwarding is a third faster that way.
 */
import { measure } from './measure.ts'
import type { Order } from './order.ts'
import { choose } from './points.ts'

async function main(): Promise<void> {
  const { point, variant, effort } = JSON.parse(process.argv[2]) as Order
  process.stdout.write(`${JSON.stringify(await measure(choose([point])[0], variant, effort))}\n`)
}

// One file is no module, and cannot await out here.
void main()
