// Fifteen copies of 1 MiB: clone, copy_from_slice and extend_from_slice, five each.
use std::hint::black_box;

fn main() {
    let source = black_box(vec![7u8; 1 << 20]);
    let mut sum = 0u64;
    for i in 0..5 {
        let copied = black_box(source.clone());
        sum += copied[i] as u64;
    }
    let mut target = vec![0u8; 1 << 20];
    for i in 0..5 {
        target.copy_from_slice(black_box(&source));
        sum += black_box(&target)[i] as u64;
    }
    for i in 0..5 {
        let mut grown: Vec<u8> = Vec::with_capacity(1 << 20);
        grown.extend_from_slice(black_box(&source));
        sum += black_box(&grown)[i] as u64;
    }
    println!("{}", sum);
}
