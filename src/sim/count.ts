/**
 * What a field is first set to that will count beyond 2^31: V8 gives a field its kind of place by its first value, and one
 * that held small integers only makes all code of its class obsolete on the day the first of them grows larger.
 */
export const LARGE = 0.5
