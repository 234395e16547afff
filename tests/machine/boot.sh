#!/bin/sh
# Boots one of Debian's kernels on this machine's files and runs tests/machine there, as root.
#
#   tests/machine/boot.sh FOLDER    what `dpkg-deb -x linux-image-VERSION.deb FOLDER` unpacked
#
# The files are seen read-only, all changes stay in memory. Needs qemu-system-x86, busybox-static and
# cpio. LIVEPROBE_ACCEL=kvm is faster where it works; tcg, the default, works everywhere.
set -eu
kernel=${1:?which folder holds the unpacked kernel package?}
here=$(cd "$(dirname "$0")/../.." && pwd)
version=$(ls "$kernel/lib/modules")
modules=$kernel/lib/modules/$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin" "$work/root/mod" "$work/out"
cp "$(command -v busybox)" "$work/root/bin/busybox"
ln -s busybox "$work/root/bin/sh"

# Every module with what it needs, in the order in which they can be loaded.
(cd "$modules" && busybox depmod -n -b "$kernel" "$version" | grep '^kernel/.*:' > "$work/needs")
count=0
add() {
    line=$(grep "/$1\.ko:" "$work/needs") || { echo "$version has no module $1"; exit 2; }
    for other in ${line#*:}; do [ -e "$work/seen-$(basename "$other")" ] || add "$(basename "$other" .ko)"; done
    [ -e "$work/seen-$1.ko" ] && return
    touch "$work/seen-$1.ko"
    count=$((count + 1))
    file=$(grep -o "^[^:]*/$1\.ko:" "$work/needs")
    cp "$modules/${file%:}" "$work/root/mod/$(printf %03d $count).ko"
}
for module in virtio_pci 9p 9pnet_virtio overlay i2c-stub i2c-dev lm75 tmp102 vivid; do add $module; done

cat > "$work/root/init" <<'INIT'
#!/bin/sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /low /rw /new
$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t devtmpfs d /dev
for module in /mod/*.ko; do
    case $($b strings $module | $b grep -m1 '^name=') in
        name=i2c_stub) $b insmod $module chip_addr=0x48,0x49 ;;
        name=vivid) $b insmod $module n_devs=1 node_types=1 ;;
        *) $b insmod $module ;;
    esac
done
as=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $as,ro,cache=loose root /low
$b mount -t tmpfs -o size=1g t /rw; $b mkdir /rw/up /rw/work
$b mount -t overlay -o lowerdir=/low,upperdir=/rw/up,workdir=/rw/work o /new
for each in proc sys dev; do $b mount --move /$each /new/$each; done
$b mkdir -p /new/dev/shm /new/out
$b mount -t tmpfs t /new/dev/shm; $b mount -t tmpfs t /new/tmp
$b mount -t 9p -o $as out /new/out
$b chroot /new /bin/sh /out/script > /new/out/log 2>&1; echo $? > /new/out/status
$b sync; $b poweroff -f
INIT
chmod +x "$work/root/init"
cat > "$work/out/script" <<SCRIPT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LIVEPROBE_MACHINE=1
cd "$here" && .venv/bin/python -B -m pytest -p no:cacheprovider --timeout 300 tests/machine
SCRIPT
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd"
timeout -k 5 1200 qemu-system-x86_64 -machine q35 -accel "${LIVEPROBE_ACCEL:-tcg}" -cpu max -smp 2 -m 3G \
    -nodefaults -no-reboot -display none -serial "file:$work/console" \
    -kernel "$kernel/boot/vmlinuz-$version" -initrd "$work/initrd" \
    -append "console=ttyS0 panic=-1" \
    -fsdev "local,id=r,path=/,security_model=none,readonly=on,multidevs=remap" \
    -device virtio-9p-pci,fsdev=r,mount_tag=root \
    -fsdev "local,id=o,path=$work/out,security_model=none" \
    -device virtio-9p-pci,fsdev=o,mount_tag=out </dev/null || true
[ -e "$work/out/status" ] || { tail -n 40 "$work/console"; echo "it did not boot as far as the tests"; exit 1; }
cat "$work/out/log"
exit "$(cat "$work/out/status")"
