# Sluice on KVM with the libvirt provider (dmacvicar/libvirt). The bridges are the host's; sluice-deploy preflight says what they need.
#   terraform init && terraform apply -var image=/path/to/sluice-VERSION.qcow2
# The medium with the settings of day 0 stays in the pool and in Terraform's state, secrets included: after the first boot set
# with_day0 = false and apply again, which deletes it. sluice-deploy does that by itself.

terraform {
  required_providers {
    libvirt = {
      source  = "dmacvicar/libvirt"
      version = "~> 0.7.6"
    }
  }
}

provider "libvirt" {
  uri = var.uri
}

variable "uri" {
  type    = string
  default = "qemu:///system"
}

variable "image" {
  type        = string
  description = "sluice-VERSION.qcow2"
}

variable "pool" {
  type    = string
  default = "default"
}

variable "bridge_management" {
  type    = string
  default = "br-mgmt"
}

variable "bridge_clients" {
  type    = string
  default = "br-clients"
}

variable "bridge_servers" {
  type    = string
  default = "br-servers"
}

variable "memory_mb" {
  type    = number
  default = 4096
}

variable "vcpus" {
  type    = number
  default = 2
}

variable "with_day0" {
  type        = bool
  description = "the medium with the settings of day 0 is attached"
  default     = true
}

resource "libvirt_volume" "image" {
  name   = "sluice-image.qcow2"
  pool   = var.pool
  source = var.image
  format = "qcow2"
}

resource "libvirt_volume" "disk" {
  name           = "sluice.qcow2"
  pool           = var.pool
  base_volume_id = libvirt_volume.image.id
  format         = "qcow2"
  size           = 17179869184
}

resource "libvirt_cloudinit_disk" "day0" {
  count     = var.with_day0 ? 1 : 0
  name      = "sluice-day0.iso"
  pool      = var.pool
  user_data = file("${path.module}/day0.yaml")
}

resource "libvirt_domain" "sluice" {
  name       = "sluice"
  memory     = var.memory_mb
  vcpu       = var.vcpus
  machine    = "q35"
  autostart  = true
  qemu_agent = true
  cloudinit  = var.with_day0 ? libvirt_cloudinit_disk.day0[0].id : null

  cpu {
    mode = "host-passthrough"
  }

  disk {
    volume_id = libvirt_volume.disk.id
  }

  # the order of the interfaces is that of the ports: management, port1a, port1b
  network_interface {
    bridge = var.bridge_management
    mac    = "52:54:00:00:10:00"
  }

  network_interface {
    bridge = var.bridge_clients
    mac    = "52:54:00:00:10:01"
  }

  network_interface {
    bridge = var.bridge_servers
    mac    = "52:54:00:00:10:02"
  }

  console {
    type        = "pty"
    target_type = "serial"
    target_port = "0"
  }
}
