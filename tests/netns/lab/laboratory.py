# SPDX-License-Identifier: Apache-2.0
"""The usual set-up in one context manager: topology, certificates, nginx, and the device under test, configured."""
import contextlib
import os

from .appliance import DEFAULT_BIN_DIR, FILTERS, Appliance, configuration
from .clients import WEB_NAME, curl
from .device import Cable, NoDevice
from .peers import Certificate, Nginx
from .topology import Topology

DEVICES = {"cable": Cable, "none": NoDevice}


class Laboratory:
    """device: "appliance", "cable" or "none". `document` is a function of the topology that gives the configuration."""

    def __init__(self, device="appliance", bin_dir=None, document=configuration, filters=FILTERS, nginx=None, keys=("rsa:2048",), **topology):
        self.kind, self.bin_dir, self.document, self.filters = device, bin_dir, document, filters
        self.nginx_options, self.keys, self.topology_options = nginx or {}, keys, topology

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        try:
            enter = self._stack.enter_context
            self.topology = enter(Topology(**self.topology_options))
            self.client, self.server = self.topology.client, self.topology.server
            self.certificates = [Certificate(self.topology.directory, "web-" + key.split(":")[0].replace("P-256", "ec"), WEB_NAME, key=key)
                                 for key in self.keys]
            self.certificate = self.certificates[0]
            self.nginx = enter(Nginx(self.topology, self.certificate, **self.nginx_options))
            self.device = enter(self._device())
            if self.device.inspects:
                self.appliance.configure(self.certificates, self.document(self.topology), self.filters)
        except BaseException as error:
            self._explain(error)
            self._stack.close()
            raise
        return self

    def _device(self):
        if self.kind in DEVICES:
            return DEVICES[self.kind](self.topology)
        self.appliance = Appliance(self.topology, self.bin_dir)
        return self.appliance

    def _explain(self, error):
        if hasattr(error, "add_note") and getattr(self, "appliance", None) and self.appliance.supervisor:
            error.add_note(self.appliance.report())

    def __exit__(self, *unused):
        self._stack.close()

    def curl(self, path="/", *options, **named):
        return curl(self.client, path, *options, certificate=named.pop("certificate", self.certificate), **named)

    @property
    def programs(self):
        """the tests' own, beside those under test"""
        return os.path.join(self.appliance.bin_dir if self.device.inspects else self.bin_dir or DEFAULT_BIN_DIR, "../tests")

    @property
    def port_space(self):
        """where the two ports are"""
        return self.appliance.wire if self.device.inspects else self.device.namespace

    def report(self):
        return self.appliance.report() if self.kind == "appliance" else "device: " + self.kind
