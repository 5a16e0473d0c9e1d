"""Large language models behind OpenAI's chat protocol: vLLM, llama.cpp, Ollama, hosted ones."""
