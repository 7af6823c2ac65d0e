/*
 * ns-3 as podwire's peer: `podwire bench --against ns3` builds this program against Debian's libns3-dev and runs it once for
 * each measurement. It prints one line of JSON. One core, no pcap; only Simulator::Run is measured.
 *
 *   ns3 WORKLOAD SECONDS FRAME off|on      checksums: ns-3 leaves them out unless told
 *
 *   W1   host ── csma ── bridge ── csma ── host, UDP
 *   W2   host ── point-to-point ── router ── point-to-point ── host, UDP, global routing
 *   W5   host ── csma ── router ── csma, a switch, csma ── router ── csma ── host, TCP: what comes nearest to the overlay,
 *        without its address translation and VXLAN, which ns-3 has not
 */
#include "ns3/applications-module.h"
#include "ns3/bridge-module.h"
#include "ns3/core-module.h"
#include "ns3/csma-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <iostream>

using namespace ns3;

namespace {

const uint16_t PORT = 8053;
/* Ethernet, IPv4 and UDP. */
const uint32_t HEADERS = 42;
const uint32_t MTU = 1450;
/* What IPv4 and TCP with timestamps leave of it. */
const uint32_t SEGMENT = MTU - 52;
/* Of virtual time, between two datagrams. */
const Time GAP = NanoSeconds(2000);
/* Datagrams, or microseconds of TCP's virtual time, between two looks at the clock. */
const uint32_t LOOK = 256;

double WallClock()
{
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

double CpuClock()
{
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return used.tv_sec + used.tv_nsec / 1e9;
}

/* Two hosts and the way between them. */
struct Network
{
  Ptr<Node> client = CreateObject<Node>();
  Ptr<Node> server = CreateObject<Node>();
  Ptr<NetDevice> clientDevice;
  Ipv4Address address;
};

void GiveStack(const NodeContainer& nodes)
{
  InternetStackHelper stack;
  stack.SetIpv6StackInstall(false);
  stack.Install(nodes);
}

Ipv4InterfaceContainer GiveAddresses(const char* network, const NetDeviceContainer& devices)
{
  return Ipv4AddressHelper(network, "255.255.255.0").Assign(devices);
}

CsmaHelper Csma(const char* rate, Time delay)
{
  CsmaHelper csma;
  csma.SetChannelAttribute("DataRate", StringValue(rate));
  csma.SetChannelAttribute("Delay", TimeValue(delay));
  csma.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("1000p"));
  return csma;
}

Network Bridged()
{
  Network made;
  Ptr<Node> middle = CreateObject<Node>();
  GiveStack(NodeContainer(made.client, made.server));
  CsmaHelper csma = Csma("100Gbps", NanoSeconds(0));
  NetDeviceContainer left = csma.Install(NodeContainer(made.client, middle));
  NetDeviceContainer right = csma.Install(NodeContainer(made.server, middle));
  BridgeHelper().Install(middle, NetDeviceContainer(left.Get(1), right.Get(1)));
  made.address = GiveAddresses("10.1.0.0", NetDeviceContainer(left.Get(0), right.Get(0))).GetAddress(1);
  made.clientDevice = left.Get(0);
  return made;
}

Network Routed()
{
  Network made;
  Ptr<Node> router = CreateObject<Node>();
  GiveStack(NodeContainer(made.client, router, made.server));
  PointToPointHelper cable;
  cable.SetDeviceAttribute("DataRate", StringValue("100Gbps"));
  cable.SetChannelAttribute("Delay", TimeValue(NanoSeconds(0)));
  NetDeviceContainer left = cable.Install(made.client, router);
  NetDeviceContainer right = cable.Install(router, made.server);
  GiveAddresses("10.1.0.0", left);
  made.address = GiveAddresses("10.2.0.0", right).GetAddress(1);
  made.clientDevice = left.Get(0);
  Ipv4GlobalRoutingHelper::PopulateRoutingTables();
  return made;
}

Network BehindRouters()
{
  Network made;
  NodeContainer routers(2);
  Ptr<Node> middle = CreateObject<Node>();
  GiveStack(NodeContainer(made.client, made.server));
  GiveStack(routers);
  CsmaHelper csma = Csma("10Gbps", MicroSeconds(1));
  csma.SetDeviceAttribute("Mtu", UintegerValue(MTU));
  NetDeviceContainer left = csma.Install(NodeContainer(made.client, routers.Get(0)));
  NetDeviceContainer right = csma.Install(NodeContainer(routers.Get(1), made.server));
  NetDeviceContainer first = csma.Install(NodeContainer(routers.Get(0), middle));
  NetDeviceContainer second = csma.Install(NodeContainer(routers.Get(1), middle));
  BridgeHelper().Install(middle, NetDeviceContainer(first.Get(1), second.Get(1)));
  GiveAddresses("10.244.1.0", left);
  GiveAddresses("192.168.50.0", NetDeviceContainer(first.Get(0), second.Get(0)));
  made.address = GiveAddresses("10.244.2.0", right).GetAddress(1);
  made.clientDevice = left.Get(0);
  Ipv4GlobalRoutingHelper::PopulateRoutingTables();
  return made;
}

/* What is being sent, and what has arrived. */
class Load
{
public:
  virtual ~Load() = default;
  virtual void Start(const Network& network) = 0;
  /* Until when it sends, by the wall's clock. */
  double until = 0;
  uint64_t sent = 0;
  uint64_t frames = 0;
  uint64_t bytes = 0;
};

class Datagrams : public Load
{
public:
  explicit Datagrams(uint32_t frame)
      : m_payload(frame - HEADERS)
  {
  }

  void Start(const Network& network) override
  {
    m_receiver = Socket::CreateSocket(network.server, UdpSocketFactory::GetTypeId());
    m_receiver->SetAttribute("RcvBufSize", UintegerValue(1 << 24));
    m_receiver->Bind(InetSocketAddress(Ipv4Address::GetAny(), PORT));
    m_receiver->SetRecvCallback(MakeCallback(&Datagrams::Receive, this));
    m_sender = Socket::CreateSocket(network.client, UdpSocketFactory::GetTypeId());
    m_sender->Bind();
    m_sender->Connect(InetSocketAddress(network.address, PORT));
    /* One ahead: ARP. */
    Simulator::Schedule(Seconds(0), &Datagrams::Send, this);
    Simulator::Schedule(Seconds(1), &Datagrams::SendAll, this);
  }

private:
  void Send()
  {
    m_sender->Send(Create<Packet>(m_payload));
    sent++;
  }

  void SendAll()
  {
    Send();
    if (sent % LOOK != 0 || WallClock() < until)
      Simulator::Schedule(GAP, &Datagrams::SendAll, this);
  }

  void Receive(Ptr<Socket> socket)
  {
    while (socket->Recv())
      frames++;
  }

  uint32_t m_payload;
  Ptr<Socket> m_sender;
  Ptr<Socket> m_receiver;
};

class Stream : public Load
{
public:
  void Start(const Network& network) override
  {
    for (const char* buffer : {"ns3::TcpSocket::SndBufSize", "ns3::TcpSocket::RcvBufSize"})
      Config::SetDefault(buffer, UintegerValue(1 << 21));
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(SEGMENT));
    BulkSendHelper sender("ns3::TcpSocketFactory", InetSocketAddress(network.address, PORT));
    sender.SetAttribute("SendSize", UintegerValue(65536));
    sender.Install(network.client).Start(Seconds(1));
    PacketSinkHelper receiver("ns3::TcpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), PORT));
    receiver.Install(network.server)
        .Get(0)
        ->TraceConnectWithoutContext("Rx", MakeCallback(&Stream::Read, this));
    for (const char* way : {"MacTx", "MacRx"})
      network.clientDevice->TraceConnectWithoutContext(way, MakeCallback(&Stream::Passed, this));
    Simulator::Schedule(Seconds(1), &Stream::Look, this);
  }

private:
  void Look()
  {
    if (WallClock() < until)
      Simulator::Schedule(MicroSeconds(LOOK), &Stream::Look, this);
    else
      Simulator::Stop();
  }

  void Read(Ptr<const Packet> packet, const Address&)
  {
    bytes += packet->GetSize();
  }

  void Passed(Ptr<const Packet>)
  {
    frames++;
    sent++;
  }
};

int Measure(const std::string& workload, double seconds, uint32_t frame, bool checksums)
{
  GlobalValue::Bind("ChecksumEnabled", BooleanValue(checksums));
  Network network = workload == "W1" ? Bridged() : workload == "W2" ? Routed() : BehindRouters();
  std::unique_ptr<Load> load;
  if (workload == "W5")
    load = std::make_unique<Stream>();
  else
    load = std::make_unique<Datagrams>(frame);
  load->Start(network);
  double wall = WallClock(), cpu = CpuClock();
  load->until = wall + seconds;
  Simulator::Run();
  wall = WallClock() - wall;
  cpu = CpuClock() - cpu;
  printf("{\"peer\":\"ns3\",\"workload\":\"%s\",\"variant\":\"checksums-%s\",\"frame\":%u,\"sent\":%lu,\"frames\":%lu,"
         "\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"gbps\":",
         workload.c_str(), checksums ? "on" : "off", frame, load->sent, load->frames, wall, cpu);
  if (load->bytes > 0)
    printf("%.4f}\n", load->bytes * 8 / wall / 1e9);
  else
    printf("null}\n");
  Simulator::Destroy();
  return 0;
}

} // namespace

int main(int count, char** word)
{
  if (count != 5)
  {
    std::cerr << "ns3 W1|W2|W5 SECONDS FRAME off|on\n";
    return 2;
  }
  return Measure(word[1], std::stod(word[2]), std::stoul(word[3]), std::string(word[4]) == "on");
}
