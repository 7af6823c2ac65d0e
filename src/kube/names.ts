/** Names, labels and ports as Kubernetes allows them, with its own sentences for those it does not. */

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const VALUE = `(${QUALIFIED})?`

function whole(pattern: string): RegExp {
  return new RegExp(`^${pattern}$`)
}

const label = whole(LABEL)
const label1035 = whole('[a-z]([-a-z0-9]*[a-z0-9])?')
const subdomain = whole(SUBDOMAIN)
const qualified = whole(QUALIFIED)
const value = whole(VALUE)

function tooLong(limit: number): string {
  return `must be no more than ${limit} characters`
}

/** Null when the name is a DNS label (RFC 1123). */
export function checkLabel(name: string): string | null {
  if (name.length > 63) return tooLong(63)
  if (label.test(name)) return null
  return `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`
}

/** Null when the name is a DNS subdomain (RFC 1123). */
export function checkSubdomain(name: string): string | null {
  if (name.length > 253) return tooLong(253)
  if (subdomain.test(name)) return null
  return `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`
}

/** Null when the name is a DNS label that begins with a letter (RFC 1035): Services. */
export function checkLabel1035(name: string): string | null {
  if (name.length > 63) return tooLong(63)
  if (label1035.test(name)) return null
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
}

export function checkLabelValue(text: string): string | null {
  if (text.length > 63) return tooLong(63)
  if (value.test(text)) return null
  return `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${VALUE.replace('.]', '.]')}')`
}

export function checkLabelKey(key: string): string | null {
  const slash = key.indexOf('/')
  const name = key.slice(slash + 1)
  if (slash >= 0 && !subdomain.test(key.slice(0, slash)))
    return `prefix part ${checkSubdomain(key.slice(0, slash)) ?? ''}`
  if (name.length > 63) return `name part ${tooLong(63)}`
  if (qualified.test(name)) return null
  return `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`
}

export function checkPort(port: number): string | null {
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? null : 'must be between 1 and 65535, inclusive'
}

/** A port's name, as in `targetPort: http`. */
export function checkPortName(name: string): string | null {
  if (name.length > 15) return tooLong(15)
  if (!/^[-a-z0-9]+$/.test(name)) return 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)'
  if (!/[a-z]/.test(name)) return 'must contain at least one letter (a-z)'
  if (name.includes('--')) return 'must not contain consecutive hyphens'
  return /^-|-$/.test(name) ? 'must not begin or end with a hyphen' : null
}
