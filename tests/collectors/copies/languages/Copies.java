// Seventy copies of 1 MiB that HotSpot makes by stubs of its own: libc sees none of them.
public class Copies {
    public static void main(String[] arguments) {
        byte[] source = new byte[1 << 20];
        java.util.Arrays.fill(source, (byte) 7);
        byte[] target = new byte[1 << 20];
        long sum = 0;
        for (int i = 0; i < 35; i++) {
            System.arraycopy(source, 0, target, 0, source.length);
            sum += target[i];
        }
        for (int i = 0; i < 35; i++) {
            sum += source.clone()[i];
        }
        System.out.println(sum);
    }
}
