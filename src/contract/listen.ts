import { KeelsonError, printable } from "../errors.ts";

/**
 * The addresses of --listen: what may stand in ListenStream=, a port, HOST:PORT, [IPV6]:PORT, a path or @NAME. Throws E_USAGE.
 * https://www.freedesktop.org/software/systemd/man/252/systemd.socket.html
 */
export function parseListen(addresses: readonly string[]): readonly string[] {
  for (const address of addresses) {
    if (/^(?:[0-9]+|(?:[0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]+|[/@][A-Za-z0-9._@/-]+)$/.test(address)) continue;
    throw new KeelsonError(
      "E_USAGE",
      `--listen is ${printable(JSON.stringify(address))}, no address of a stream socket`,
      {
        hint: "Write a port, ADDRESS:PORT, [IPV6]:PORT, an absolute path, or @NAME for an abstract socket.",
      },
    );
  }
  return addresses;
}
