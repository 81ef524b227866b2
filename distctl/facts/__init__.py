"""What is read from a node: pairs of a shell command and a parser, and verdicts on what was found.

Facts are a flat mapping of names to text, so that they can be stored and shown as they are. A name that is
missing could not be read. Sizes are in bytes, times in seconds.

    hostname, machine_id, boot_id, user, uid, home, root (distctl's folder on this node)
    os.id, os.version, os.name, kernel, arch, glibc, cpus, limit.nofile
    memory.total, memory.available; disk.free, disk.inodes, disk.mount, disk.type, disk.options: where root is
    gpus: how many nvidia-smi lists; `cluster.gpu.devices` reads what follows into one frozen Gpu each
    gpus.cuda: the newest that the driver serves; gpus.cards: NVIDIA cards on the bus, driver or none
    gpus.trouble: why not all can be listed; gpus.dcgm: healthy, warning or failure, where DCGM watches health
    gpus.xids: `PLACE=NUMBER@AGE ...`, errors that the driver logged since the boot, PLACE such as 0000:3b:00
    gpu.N.name, .memory, .used, .driver, .uuid, .pci, .capability, .persistence; N is nvidia-smi's index
    gpu.N.mig: enabled or disabled; gpu.N.mig.M.uuid, .profile, .memory
    gpu.N.ecc.corrected, gpu.N.ecc.uncorrected since the driver was loaded, `.ever` of each; gpu.N.retired
    gpu.N.remap: `pending failed`, of a repair of its memory; gpu.N.throttled: why its clocks are held down
    gpu.N.processes: `PID=NAME:BYTES:PARENT,PARENT ...`
    gpu.N.advice: what the driver asks for; gpu.N.trouble: such as `GPU is lost`
    containers: the engines found, such as `docker podman`
    engine.NAME.version, or engine.NAME.problem: what it said instead; .rootless, .init, .restart, .nvidia:
    yes or no; .storage, .free: where it keeps images. nvidia.device, nvidia.hook, nvidia.cdi: yes or no
    systemd: yes or no; systemd.user and systemd.linger: whether the account has units that survive it
    selinux: enforcing, permissive, disabled or none
    tools.missing: of the few programs that distctl needs
    networks: `INTERFACE=ADDRESS/PREFIX ...` loopback and what is local to a link aside
    keepalived: its version, "" where it is not installed; keepalived.bash: whether its check can run
    addresses: the node's own; ports: `PORT=HOLDER ...` of what listens, HOLDER `?` when it may not be seen
    clock: the node's time; clock.offset: node minus observer, added by who looked
    servers.gpus, servers.migs: devices in the order of the numbers that servers are named by; and
    servers.round_trip, of a router's place: kept by the record, they stay from one look to the next
    model.NAME: stateless, stateful or unread, of a model that lies on the node; model.NAME.idle: how long a
    sequence may pause; model.NAME.unread: why it could not be read
    python.X.Y, python.X.Y.library: an interpreter and the folder of its libpython, `` when there is none
"""
