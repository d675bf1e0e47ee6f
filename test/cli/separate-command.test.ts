import { expect, it } from "vitest";
import { separateCommand } from "../../src/cli/inside.ts";
import { commandLine } from "../../src/cli.ts";

const program = commandLine("0", () => {
  throw new Error("no command is run here");
});

it.each([
  ["exec box ls -l --json", "exec box -- ls -l --json"],
  ["--root /x -q exec box ls -q", "--root /x -q exec box -- ls -q"],
  ["--json run --set A=b --runtime /x box sh -c", "--json run --set A=b --runtime /x box -- sh -c"],
  ["run --set=A=b --tls-verify=false box id -u", "run --set=A=b --tls-verify=false box -- id -u"],
  ["exec -q box ls", "exec -q box -- ls"],
  ["exec box", "exec box --"],
  ["exec box -- ls -l", "exec box -- ls -l"],
  ["exec -- box ls -l", "exec -- box ls -l"],
  ["logs -f box", "logs -f box"],
  ["--root exec list", "--root exec list"],
  ["", ""],
])("%s", (given, separated) => {
  expect(separateCommand(program, given.split(" ")).join(" ")).toBe(separated);
});
