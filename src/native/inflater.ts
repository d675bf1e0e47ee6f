import { type Ffi, ffi } from "./ffi.ts";
import { bindIsal } from "./isal.ts";
import { compressionError, type Inflater, type Step, throughMembers } from "./step.ts";

type Library = ReturnType<Ffi["load"]>;
type Open = () => Inflater;

const gzipBits = 15 + 16;
const streamSize = 112;
const zlib = { ok: 0, streamEnd: 1, needDictionary: 2, bufferError: -5 };
const zlibCodes: Readonly<Record<string, string>> = {
  "2": "Z_NEED_DICT",
  "-2": "Z_STREAM_ERROR",
  "-3": "Z_DATA_ERROR",
  "-4": "Z_MEM_ERROR",
};
/** ZSTD_d_windowLogMax */
const windowLogMax = 100;
/** ZSTD_error_prefix_unknown */
const unknownPrefix = 10;

let openers: { readonly gzip: Open; readonly own: Open; readonly zstd: (windowLog: number) => Inflater } | undefined;
let absent = false;

/**
 * zlib and zstd as Node itself is linked with them, called without the thread pool between, and libisal for gzip where the
 * host has it, unless Node's `own` is wanted; undefined where this Node does not show them.
 */
export function openInflater(compression: "gzip" | "zstd", zstdWindowLog: number, own = false): Inflater | undefined {
  if (absent) return undefined;
  try {
    openers ??= bindAll(ffi().load(null));
  } catch {
    absent = true;
    return undefined;
  }
  if (compression === "zstd") return openers.zstd(zstdWindowLog);
  return own ? openers.own() : openers.gzip();
}

function bindAll(library: Library): NonNullable<typeof openers> {
  const own = bindZlib(library);
  return { gzip: bindIsal() ?? own, own, zstd: bindZstd(library) };
}

/** https://github.com/madler/zlib/blob/master/zlib.h, its z_stream on a machine of 64 bits. */
function bindZlib(own: Library): Open {
  const { address } = ffi();
  const version = own.func("const char *zlibVersion()")() as string;
  const initialise = own.func("int inflateInit2_(uint8_t *stream, int bits, const char *version, int size)");
  const inflate = own.func("int inflate(uint8_t *stream, int flush)");
  const reset = own.func("int inflateReset(uint8_t *stream)");
  const end = own.func("int inflateEnd(uint8_t *stream)");
  return () => {
    const stream = Buffer.from(new SharedArrayBuffer(streamSize));
    const started: number = initialise(stream, gzipBits, version, streamSize);
    if (started !== zlib.ok) throw compressionError(zlibCodes[started] ?? `Z_${started}`, "zlib cannot start");

    function step(input: Uint8Array, output: Uint8Array): Step & { readonly ended: boolean } {
      stream.writeBigUInt64LE(input.length === 0 ? 0n : address(input), 0);
      stream.writeUInt32LE(input.length, 8);
      stream.writeBigUInt64LE(address(output), 24);
      stream.writeUInt32LE(output.length, 32);
      const result: number = inflate(stream, 0);
      if (result !== zlib.streamEnd && result !== zlib.ok && result !== zlib.bufferError) {
        throw compressionError(zlibCodes[result] ?? `Z_${result}`, "it is not gzip data, or was changed");
      }
      const [unread, room] = [stream.readUInt32LE(8), stream.readUInt32LE(32)];
      return { read: input.length - unread, written: output.length - room, ended: result === zlib.streamEnd };
    }

    return throughMembers({ inflate: step, reset: () => void reset(stream), close: () => void end(stream) });
  };
}

/** https://facebook.github.io/zstd/zstd_manual.html */
function bindZstd(own: Library): (windowLog: number) => Inflater {
  const create = own.func("void *ZSTD_createDCtx()");
  const free = own.func("size_t ZSTD_freeDCtx(void *context)");
  const set = own.func("size_t ZSTD_DCtx_setParameter(void *context, int parameter, int value)");
  const isError = own.func("unsigned int ZSTD_isError(size_t code)");
  const errorCode = own.func("int ZSTD_getErrorCode(size_t code)");
  const errorName = own.func("const char *ZSTD_getErrorName(size_t code)");
  const decompress = own.func(
    "size_t ZSTD_decompressStream_simpleArgs(void *context, uint8_t *to, size_t room, uint64_t *written, const uint8_t *from, size_t size, uint64_t *read)",
  );
  return (windowLog) => {
    const context: unknown = create();
    set(context, windowLogMax, windowLog);
    const places = new BigUint64Array(new SharedArrayBuffer(16));
    const [written, read] = [places.subarray(0, 1), places.subarray(1)];
    // Before the first frame, and wherever one has ended.
    let between = true;
    let frames = 0;
    let ignoring = false;

    function step(input: Uint8Array, output: Uint8Array): Step {
      if (ignoring || (between && input.length === 0)) return { read: input.length, written: 0 };
      places.fill(0n);
      const hint = decompress(context, output, output.length, written, input, input.length, read);
      if (isError(hint) !== 0) {
        // What begins like no frame is no part of the data, as Node has it.
        ignoring = frames > 0 && errorCode(hint) === unknownPrefix;
        if (ignoring) return { read: input.length, written: 0 };
        throw compressionError("ZSTD_error", errorName(hint));
      }
      between = hint === 0;
      if (between) frames++;
      return { read: Number(places[1]), written: Number(places[0]) };
    }

    return { step, complete: () => between || ignoring, close: () => void free(context) };
  };
}
