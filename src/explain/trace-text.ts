/** A trace for reading, and for programs. */
import { textsOf } from './frame-text.ts'
import { headersOf, summary } from './headers.ts'
import { journeyJson, reasonJson } from './journey-json.ts'
import { journeyText, type PageOptions } from './journey-text.ts'
import type { Recording } from './recording.ts'
import type { Trace } from './trace.ts'

export function traceText(trace: Trace, options: Omit<PageOptions, 'mark'>): string {
  const page = { ...options, mark: false }
  const { recording, request, reply, questions, again, unseen } = trace
  const { bold, dim, green, red } = options.paint
  const parts = [bold(`From ${trace.from} to ${trace.to}\n`)]
  if (questions.length > 0) {
    const texts = textsOf(
      recording,
      questions.map(({ frame }) => frame),
    )
    const lines = questions.map(({ frame, answer }) => {
      const answered = answer === null ? 'nobody answered' : `answered by frame ${answer.number}`
      return `  ${frame.number}  ${texts.get(frame.number)} ${dim(`(${answered})`)}\n`
    })
    parts.push(`Asked meanwhile:\n${lines.join('')}`)
  }
  if (unseen.length > 0 && request === null) {
    const lines = unseen.map((reason) => `  ├ ${reason.sentence}${reason.entry === null ? '' : `: ${reason.entry}`}\n`)
    parts.push(lines.join(''))
  }
  if (request !== null) parts.push(`${bold('── The probe ──')}\n${journeyText(recording, request, page)}`)
  if (again.length > 0)
    parts.push(`Sent again, without an answer: frames ${again.map(({ number }) => number).join(', ')}\n`)
  if (reply !== null) parts.push(`${bold('── The answer ──')}\n${journeyText(recording, reply, page)}`)
  parts.push(bold((trace.reached ? green : red)(`${trace.verdict}\n`)))
  return parts.join('\n')
}

export function traceJson(trace: Trace): unknown {
  const { recording, request, reply } = trace
  return {
    from: trace.from,
    to: trace.to,
    reached: trace.reached,
    verdict: trace.verdict,
    questions: trace.questions.map(({ frame, answer }) => ({
      frame: frame.number,
      text: summary(headersOf(frame.bytes)),
      answeredBy: answer?.number ?? null,
    })),
    request: journeyOrNull(recording, request),
    reply: journeyOrNull(recording, reply),
    sentAgain: trace.again.map(({ number }) => number),
    unseen: trace.unseen.map(reasonJson),
  }
}

function journeyOrNull(recording: Recording, journey: Trace['request']): unknown {
  return journey === null ? null : journeyJson(recording, journey)
}
