/** The process in which one point is measured: its order as JSON in the first argument, a Measurement on standard output. */
import { measure } from './measure.ts'
import type { Order } from './order.ts'
import { choose } from './points.ts'

const { point, variant, effort } = JSON.parse(process.argv[2]) as Order
process.stdout.write(`${JSON.stringify(await measure(choose([point])[0], variant, effort))}\n`)
