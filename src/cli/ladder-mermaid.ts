/** A ladder in Mermaid's language of sequence diagrams. */
import type { Ladder } from './ladder-model.ts'

export function ladderMermaid(ladder: Ladder): string {
  let text = `sequenceDiagram\n    title ${safe(ladder.title)}\n`
  ladder.lifelines.forEach((name, i) => {
    text += `    participant l${i} as ${safe(name)}\n`
  })
  for (const rung of ladder.rungs) {
    const time = `${rung.time.toFixed(6)} s`
    const words = safe(`${rung.text} (${time})`)
    if (rung.from === rung.to) text += `    Note over l${rung.from}: ${words}\n`
    else text += `    l${rung.from}${rung.drop === null ? '->>' : '-x'}l${rung.to}: ${words}\n`
    if (rung.drop !== null) text += `    Note over l${rung.to}: ${safe(rung.drop)}\n`
  }
  return text
}

/** A semicolon or a hash would end the text: they are written as Mermaid's entities; so is what HTML would read. */
function safe(text: string): string {
  return text
    .replace(/[#;]/g, (character) => (character === '#' ? '#35;' : '#59;'))
    .replace(/</g, '#lt;')
    .replace(/>/g, '#gt;')
    .replace(/[\n\r]+/g, ' ')
    .replace(/%%/g, '% %')
}
