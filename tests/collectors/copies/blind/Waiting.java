/** Says that it runs, and waits until its stdin is closed. */
class Waiting {
    public static void main(String[] arguments) throws java.io.IOException {
        System.out.println("ready");
        while (System.in.read() >= 0) { }
        System.exit(7);
    }
}
