/** What /proc/net/snmp and netstat count, as far as podwire counts it. Plain numbers that only grow. */

export class Counters {
  ipInReceives = 0
  ipInHdrErrors = 0
  ipInAddrErrors = 0
  ipForwDatagrams = 0
  ipInDiscards = 0
  ipInDelivers = 0
  ipInNoRoutes = 0
  ipOutRequests = 0
  ipOutNoRoutes = 0
  ipReasmReqds = 0
  ipReasmOks = 0
  ipReasmFails = 0
  ipFragOks = 0
  ipFragFails = 0
  ipFragCreates = 0
  icmpInMsgs = 0
  icmpInErrors = 0
  icmpOutMsgs = 0
  icmpOutRateLimitHost = 0
  icmpInEchos = 0
  icmpOutEchoReps = 0
  icmpInDestUnreachs = 0
  icmpOutDestUnreachs = 0
  icmpOutTimeExcds = 0
}
