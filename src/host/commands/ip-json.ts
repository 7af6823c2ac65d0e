/** iproute2's JSON (lib/json_writer.c): `-j` on one line, `-j -p` over many. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined }

/** Either layout, with the newline at the end. */
export function formatJson(value: Json, pretty: boolean): string {
  return `${pretty ? spread(value, 0) : JSON.stringify(value)}\n`
}

function spread(value: Json, depth: number): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return '[ ]'
    return `[ ${value.map((item) => spread(item, depth + 1)).join(',')} ]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).filter((field): field is [string, Json] => field[1] !== undefined)
  const inner = ' '.repeat((depth + 1) * 4)
  const lines = fields.map(([key, item]) => `${inner}${JSON.stringify(key)}: ${spread(item, depth + 1)}`)
  return `{\n${lines.join(',\n')}\n${' '.repeat(depth * 4)}}`
}
