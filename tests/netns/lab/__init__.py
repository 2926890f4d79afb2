# SPDX-License-Identifier: Apache-2.0
"""A laboratory of network namespaces: a client and a server with a device (Sluice, a cable, or nothing) between them.

namespace.py  run code and programs inside a namespace       topology.py   client, server, ports, MACs, VLAN tags
device.py     what stands between the ports                  appliance.py  Sluice as that device
peers.py      real servers and hand-made ones                clients.py    curl, Python ssl, raw TLS
capture.py    tcpdump and what a capture says                traffic.py    load while something is being killed

The demo and the tests share it. Every name derives from one random instance name, so runs do not meet.
"""
