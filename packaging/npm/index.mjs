import api from "./index.cjs";

export const { bashPath, execveWrapperPath, targetTriple, zshPath } = api;
