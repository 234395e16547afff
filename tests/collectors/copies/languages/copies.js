// Twenty-four copies of 1 MiB by Node's buffers: Buffer.from, copy and TypedArray.set, eight each.
const bytes = 1 << 20;
const source = Buffer.alloc(bytes, 7);
let sum = 0;
for (let i = 0; i < 8; i++) sum += Buffer.from(source)[i];
const target = Buffer.alloc(bytes);
for (let i = 0; i < 8; i++) {
  source.copy(target);
  sum += target[i];
}
const array = new Uint8Array(bytes);
for (let i = 0; i < 8; i++) {
  array.set(source);
  sum += array[i];
}
console.log(sum);
