export { bootMachine, type Machine, type Result } from "../../examples/demo/machine.ts";
