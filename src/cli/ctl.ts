/** `podwire ctl`: words to a running emulator, from another terminal or a script. */
import { ControlClient } from '../live/control-client.ts'
import { LiveError, running } from '../live/runtime-folder.ts'
import { controlAnswer, controlRequest } from './control-words.ts'

export interface CtlOptions {
  readonly name?: string
  readonly json?: boolean
  /** For the command of `run`. */
  readonly stdin?: boolean
}

/** Returns the exit code: of the command for `run`. @throws LiveError */
export async function ctl(words: readonly string[], options: CtlOptions): Promise<number> {
  if (words[0] === 'list') return list(options)
  if (words[0] === 'run') return run(words.slice(1).join(' '), options)
  const request = controlRequest(words)
  if (typeof request === 'string') throw new LiveError(`podwire: ctl ${request}`)
  const client = await ControlClient.connect(options.name)
  const answer = await client.ask(request)
  client.end()
  process.stdout.write(options.json ? `${JSON.stringify(answer)}\n` : controlAnswer(answer))
  return 0
}

async function list({ json }: CtlOptions): Promise<number> {
  const names = await running()
  process.stdout.write(json ? `${JSON.stringify(names)}\n` : names.map((name) => `${name}\n`).join(''))
  return 0
}

/** A line at the workstation; Ctrl-C interrupts it there. */
async function run(line: string, { name, stdin }: CtlOptions): Promise<number> {
  if (line.trim() === '') throw new LiveError("podwire: ctl run needs a command, such as 'kubectl get pods'")
  const client = await ControlClient.connect(name)
  const input = stdin ? await everything(process.stdin) : ''
  const interrupt = () => client.send({ signal: 2 })
  process.on('SIGINT', interrupt)
  client.send({ do: 'run', line, stdin: input })
  try {
    for (;;) {
      const said = await client.hear()
      if (said === null) throw new LiveError(`podwire: the emulator ${client.name} has gone`)
      if (typeof said.error === 'string') throw new LiveError(said.error)
      if (typeof said.out === 'string') process.stdout.write(said.out)
      if (typeof said.err === 'string') process.stderr.write(said.err)
      if (typeof said.exit === 'number') return said.exit
    }
  } finally {
    process.off('SIGINT', interrupt)
    client.end()
  }
}

async function everything(input: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const piece of input) text += String(piece)
  return text
}
