/**
 * What V8 is told when podwire begins. The path of a frame is some two hundred small functions: with V8's own limit it calls
 * many of them that it could put in place. With this one forwarding and TCP do a tenth more per CPU second; still higher
 * ones prolong the first seconds, in which V8 compiles.
 */
import { setFlagsFromString } from 'node:v8'

/** As an option of `node`, for processes that podwire starts. */
export const INLINING = '--max-inlined-bytecode-size-cumulative=3000'

/** To be called before anything runs; V8 asks when it optimises a function. */
export function inlineMore(): void {
  setFlagsFromString(INLINING)
}
