/** What a real server has to do, and who has the least of it. */
import type { RealServer } from './service.ts'

export function takes(server: RealServer): boolean {
  return !server.overloaded && server.weight > 0
}

/** Active connections count for 256 inactive ones (ip_vs_dest_conn_overhead). */
export function overhead({ active, inactive }: RealServer): number {
  return active * 256 + inactive
}

/** Who has the least to do for its weight, among those that are there and take connections. */
export function leastByWeight(servers: readonly RealServer[]): RealServer | null {
  let least: RealServer | null = null
  for (let i = 0; i < servers.length; i++) {
    const server = servers[i]
    if (!takes(server) || !server.available) continue
    if (least === null || overhead(least) * server.weight > overhead(server) * least.weight) least = server
  }
  return least
}
