/** ipset 7.17, in front of the namespace's sets. */
import type { Program } from '../process.ts'

export const ipset: Program = async (self) => {
  const args = self.args.slice(1)
  const reads = args.some((word) => word === 'restore' || word === '-R' || word === 'r')
  const answer = self.netns.netfilter.ipset(args, reads ? await self.stdin.readAll() : '')
  if (answer.out !== '') self.out(answer.out)
  if (answer.err !== '') self.err(answer.err)
  return answer.code
}
