import { gunzipSync, gzipSync } from "node:zlib";
import { ffi } from "./ffi.ts";
import { compressionError, type Inflater, type Step, throughMembers } from "./step.ts";

/**
 * struct inflate_state: https://github.com/intel/isa-l/blob/v2.30.0/include/igzip_lib.h, whose layout the soname stands for.
 */
const state = {
  size: 96 * 1024,
  nextOut: 0,
  availableOut: 8,
  nextIn: 16,
  availableIn: 32,
  block: 21_160,
  check: 21_172,
};
const [gzipCheck, finished] = [1, 5];
/** ISAL_DECOMP_OK, ISAL_END_INPUT, ISAL_OUT_OVERFLOW. */
const highestGood = 2;

/**
 * gzip by Intel's libisal, where the host has it: half as long as zlib takes. undefined where it has none, or one that does
 * not do what is expected of it. Throws nothing.
 */
export function bindIsal(): (() => Inflater) | undefined {
  if (process.arch !== "x64") return undefined;
  try {
    const open = bind();
    return isSound(open) ? open : undefined;
  } catch {
    return undefined;
  }
}

function bind(): () => Inflater {
  const { address, load } = ffi();
  const library = load("libisal.so.2");
  const initialise = library.func("void isal_inflate_init(uint8_t *state)");
  const inflate = library.func("int isal_inflate(uint8_t *state)");
  const reset = library.func("void isal_inflate_reset(uint8_t *state)");
  return () => {
    const memory = Buffer.from(new SharedArrayBuffer(state.size));
    initialise(memory);
    memory.writeUInt32LE(gzipCheck, state.check);

    function step(input: Uint8Array, output: Uint8Array): Step & { readonly ended: boolean } {
      memory.writeBigUInt64LE(address(input.length === 0 ? memory : input), state.nextIn);
      memory.writeUInt32LE(input.length, state.availableIn);
      memory.writeBigUInt64LE(address(output), state.nextOut);
      memory.writeUInt32LE(output.length, state.availableOut);
      const result: number = inflate(memory);
      if (result < 0 || result > highestGood) throw compressionError("Z_DATA_ERROR", `libisal says ${result}`);
      const [unread, room] = [memory.readUInt32LE(state.availableIn), memory.readUInt32LE(state.availableOut)];
      const ended = memory.readUInt32LE(state.block) === finished;
      return { read: input.length - unread, written: output.length - room, ended };
    }

    return throughMembers({ inflate: step, reset: () => void reset(memory), close: () => undefined });
  };
}

/** Whether two members, given a byte and then the rest, come out whole and are known to be complete. */
function isSound(open: () => Inflater): boolean {
  const stored = Buffer.concat([gzipSync(Buffer.alloc(3000, "keel")), gzipSync("son")]);
  const output = Buffer.alloc(4096);
  const inflater = open();
  let written = 0;
  for (let at = 0; at < stored.length; ) {
    const step = inflater.step(stored.subarray(at, at === 0 ? 1 : stored.length), output.subarray(written));
    if (step.read === 0) return false;
    at += step.read;
    written += step.written;
  }
  return inflater.complete() && output.subarray(0, written).equals(gunzipSync(stored));
}
