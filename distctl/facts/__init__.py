"""What is read from a node: pairs of a shell command and a parser, and verdicts on what was found.

Facts are a flat mapping of names to text, so that they can be stored and shown as they are. A name that is
missing could not be read. Sizes are in bytes, times in seconds.

    hostname, machine_id, boot_id, user, uid, home, root (distctl's folder on this node)
    os.id, os.version, os.name, kernel, arch, glibc, cpus, limit.nofile
    memory.total, memory.available; disk.free, disk.inodes, disk.mount, disk.type, disk.options: where root is
    gpus: how many; gpu.N.name, gpu.N.memory, gpu.N.used, gpu.N.driver, gpu.N.uuid
    containers: the engines found, such as `docker podman`
    engine.NAME.version, or engine.NAME.problem: what it said instead; .rootless, .init, .restart, .nvidia:
    yes or no; .storage, .free: where it keeps images. nvidia.device, nvidia.hook, nvidia.cdi: yes or no
    systemd: yes or no; systemd.user and systemd.linger: whether the account has units that survive it
    selinux: enforcing, permissive, disabled or none
    tools.missing: of the few programs that distctl needs
    addresses: the node's own; ports: `PORT=HOLDER ...` of what listens, HOLDER `?` when it may not be seen
    clock: the node's time; clock.offset: node minus observer, added by who looked
    python.X.Y, python.X.Y.library: an interpreter and the folder of its libpython, `` when there is none
"""
