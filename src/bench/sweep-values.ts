/** What a sweep varies. */

export type Value = string | number | boolean

/** By parameter. */
export type Values = Readonly<Record<string, Value>>
