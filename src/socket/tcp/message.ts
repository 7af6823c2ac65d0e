/** Flags of send() and recv(), as bits/socket.h numbers them. */
export const Msg = {
  ERRQUEUE: 0x2000,
  OOB: 0x1,
  PEEK: 0x2,
  TRUNC: 0x20,
  DONTWAIT: 0x40,
  EOR: 0x80,
  WAITALL: 0x100,
  NOSIGNAL: 0x4000,
  MORE: 0x8000,
} as const
