/** kubectl: finds the command, reads its flags, runs it, and says how it failed. */
import type { Process, Program } from '../../host/process.ts'
import type { KubectlCluster } from './api.ts'
import { COMMANDS, GROUPS } from './command-table.ts'
import { refuseUnmodelled, UNMODELLED } from './commands/information.ts'
import { KubeConfig } from './config.ts'
import { describeFailure, exitCodeOf, Failure } from './failure.ts'
import { type Flag, GLOBAL, readFlags } from './flags.ts'
import { type Command, Session } from './session.ts'

/** The kubectl of one workstation: its kubeconfig lives as long as the program is installed. */
export function kubectl(cluster: KubectlCluster): Program {
  const config = new KubeConfig(cluster.name, cluster.server)
  return async (self) => {
    try {
      return await runCommand(self, cluster, config)
    } catch (error) {
      const text = describeFailure(error)
      if (text === null) throw error
      self.err(text.endsWith('\n') ? text : `${text}\n`)
      return exitCodeOf(error)
    }
  }
}

async function runCommand(self: Process, cluster: KubectlCluster, config: KubeConfig): Promise<number> {
  const words = self.args.slice(1)
  const { command, rest } = findCommand(words)
  if (command === null) {
    self.out(overview())
    return 0
  }
  const line = readFlags(command.name, rest, command.flags)
  if (line.flags.on('help')) {
    self.out(helpOf(command))
    return 0
  }
  return command.run(new Session(self, cluster, config, command.name, line))
}

/** The command's words are the first that are no flags: `kubectl -n demo rollout status deploy/web`. */
function findCommand(words: readonly string[]): { command: Command | null; rest: string[] } {
  const rest = [...words]
  const first = takeWord(rest, 0)
  if (first === null) {
    readFlags('', rest, [])
    return { command: null, rest }
  }
  const group = GROUPS[first.word]
  if (group !== undefined) {
    const second = takeWord(rest, first.position)
    const name = second === null ? first.word : `${first.word} ${aliasOf(group, second.word)}`
    if (name === 'create service') return serviceCommand(rest, second!.position)
    refuseUnmodelled(name)
    const found = COMMANDS.get(name)
    if (found !== undefined) return { command: found, rest }
    const whole = COMMANDS.get(first.word)
    if (whole !== undefined) {
      if (second !== null) rest.splice(second.position, 0, second.word)
      return { command: whole, rest }
    }
    if (second === null)
      throw new Failure(`error: must specify a subcommand of "kubectl ${first.word}": ${group.names.join(', ')}`)
    throw new Failure(`error: unknown command "${second.word}" for "kubectl ${first.word}"`)
  }
  refuseUnmodelled(first.word)
  const found = COMMANDS.get(first.word)
  if (found === undefined)
    throw new Failure(`error: unknown command "${first.word}" for "kubectl"${suggestions(first.word)}`)
  return { command: found, rest }
}

/** `create service TYPE`: the one command of three words. */
function serviceCommand(rest: string[], from: number): { command: Command; rest: string[] } {
  const third = takeWord(rest, from)
  const found = third === null ? undefined : COMMANDS.get(`create service ${third.word}`)
  if (found !== undefined) return { command: found, rest }
  const types = 'clusterip, externalname, loadbalancer, nodeport'
  if (third === null) throw new Failure(`error: must specify a subcommand of "kubectl create service": ${types}`)
  throw new Failure(`error: unknown command "${third.word}" for "kubectl create service"`)
}

function aliasOf(group: { readonly aliases?: Readonly<Record<string, string>> }, word: string): string {
  return group.aliases?.[word] ?? word
}

/** Takes the next word that is neither a flag nor a global flag's value. */
function takeWord(rest: string[], from: number): { word: string; position: number } | null {
  for (let position = from; position < rest.length; position++) {
    const word = rest[position]!
    if (word === '--') return null
    if (!word.startsWith('-') || word === '-') {
      rest.splice(position, 1)
      return { word, position }
    }
    const flag = GLOBAL.find((known) => word === `--${known.name}` || word === `-${known.short}`)
    if (flag !== undefined && takesValue(flag)) position++
  }
  return null
}

function takesValue(flag: Flag): boolean {
  return flag.type !== 'switch' && flag.bare === undefined
}

/** What cobra offers for a misspelt command: names at an edit distance of two, or with this beginning. */
function suggestions(word: string): string {
  const names = [...new Set([...COMMANDS.keys(), ...Object.keys(UNMODELLED), ...Object.keys(GROUPS)])]
  const near = names
    .filter((name) => !name.includes(' '))
    .filter((name) => distance(word.toLowerCase(), name) <= 2 || name.startsWith(word.toLowerCase()))
    .sort()
  return near.length === 0 ? '' : `\n\nDid you mean this?\n${near.map((name) => `\t${name}\n`).join('')}`
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let line = 1; line <= a.length; line++) {
    const next = [line]
    for (let column = 1; column <= b.length; column++) {
      const replaced = row[column - 1]! + (a[line - 1] === b[column - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[column]! + 1, next[column - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

function overview(): string {
  const names = [...COMMANDS.keys()].sort()
  return `kubectl controls the Kubernetes cluster manager. podwire models these commands:\n\n${names.map((name) => `  kubectl ${name}\n`).join('')}`
}

function helpOf(command: Command): string {
  const flags = command.flags.filter((flag) => !flag.unmodelled)
  const lines = flags.map((flag) => {
    const short = flag.short === undefined ? '    ' : `-${flag.short}, `
    return `    ${short}--${flag.name}${flag.type === 'switch' ? '' : '=VALUE'}\n`
  })
  return `podwire models kubectl ${command.name} with these flags:\n\n${lines.join('')}`
}
