// The plugin's executable: AvalancheGo starts it without arguments and serves as its host; see Rpcchainvm.

return 2;
