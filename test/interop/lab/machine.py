"""A small machine with a kernel that speaks SCTP: many machines have one that does not.

    packages of Debian (kernel, busybox, qemu) + the server + SIPp  ->  one initramfs  ->  qemu, emulated, no network

It runs `inside.sh` of a folder and is gone. What it prints comes back line by line.
"""

import glob
import os
import shutil
import subprocess
import tempfile

KERNEL_PACKAGE = "linux-image-cloud-amd64"
CACHE = os.environ.get("INTEROP_KERNEL", os.path.expanduser("~/.cache/offhook-interop/kernel"))
MODULES = ("lib/libcrc32c.ko", "net/ipv4/udp_tunnel.ko", "net/ipv6/ip6_udp_tunnel.ko", "net/sctp/sctp.ko")
PATIENCE_S = 240


class NoMachine(Exception):
    """Something that the machine is made of cannot be had."""


def kernel():
    """The folder with Debian's kernel and its modules, fetched once."""
    if not glob.glob(f"{CACHE}/boot/vmlinuz-*"):
        os.makedirs(CACHE, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            os.chmod(place, 0o755)
            run(["apt-get", "download", newest_kernel(place)], place)
            run(["dpkg-deb", "-x", *glob.glob(f"{place}/*.deb"), CACHE], place)
    return CACHE


def newest_kernel(place):
    """The name of the package behind the one that always means the newest."""
    for lists_are_new in (False, True):
        if lists_are_new:
            run(["apt-get", "-q", "update"], place)
        shown = subprocess.run(["apt-cache", "depends", KERNEL_PACKAGE], capture_output=True, text=True, check=False)
        names = [line.split()[-1] for line in shown.stdout.splitlines() if "Depends: linux-image" in line]
        if names:
            return names[0]
    raise NoMachine(f"{KERNEL_PACKAGE} is not in the package lists")


def run(command, place):
    try:
        return subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoMachine(f"{' '.join(command)}: {getattr(error, 'stderr', '') or error}") from error


def add_program(root, path):
    """Copies a program and the libraries that it loads."""
    for line in run(["ldd", path], root).splitlines():
        for word in line.split():
            if word.startswith("/"):
                target = root + word
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy(word, target)
    target = os.path.join(root, "bin", os.path.basename(path))
    shutil.copy(path, target)
    # Symbols are of no use in there, and unpacking them takes an emulated machine long.
    subprocess.run(["strip", target], check=False, capture_output=True)


def build(server, inside, root):
    """Fills `root` with what the machine has on its one disk, in memory: the server, SIPp and the folder `inside`."""
    for folder in ("bin", "proc", "sys", "dev", "tmp", "modules", "etc"):
        os.makedirs(os.path.join(root, folder))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
    for program in (os.path.abspath(server), shutil.which("sipp")):
        add_program(root, program)
    release = os.path.basename(glob.glob(f"{kernel()}/boot/vmlinuz-*")[0]).removeprefix("vmlinuz-")
    for index, module in enumerate(MODULES):
        path = f"{kernel()}/lib/modules/{release}/kernel/{module}"
        if os.path.exists(path):
            shutil.copy(path, os.path.join(root, f"modules/{index}-{os.path.basename(path)}"))
    for name in os.listdir(inside):
        shutil.copy(os.path.join(inside, name), os.path.join(root, name))
    os.chmod(os.path.join(root, "inside.sh"), 0o755)


def boot(server, inside):
    """Runs the machine; gives what it printed."""
    with tempfile.TemporaryDirectory() as place:
        root = os.path.join(place, "root")
        os.makedirs(root)
        build(server, inside, root)
        image = os.path.join(place, "initramfs")
        command = f"cd {root} && find . | busybox cpio -o -H newc > {image} 2> /dev/null"
        subprocess.run(command, shell=True, check=True)
        linux = glob.glob(f"{kernel()}/boot/vmlinuz-*")[0]
        machine = [
            "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "Nehalem", "-m", "768", "-nographic",
            "-nodefaults", "-serial", "stdio", "-no-reboot", "-net", "none", "-kernel", linux, "-initrd", image,
            "-append", "console=ttyS0 quiet panic=-1 edd=off mitigations=off rdinit=/inside.sh",
        ]
        try:
            done = subprocess.run(machine, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired as late:
            return (late.stdout or b"").decode(errors="replace").splitlines() + ["not over in time"]
        return (done.stdout + done.stderr).decode(errors="replace").splitlines()

