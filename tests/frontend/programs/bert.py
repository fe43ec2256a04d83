# ruff: noqa
from transformers import BertModel, BertTokenizer
from frontend import DynamoCompiler
from frontend.ops import tosa
from torch._inductor.decomposition import decompositions as inductor_decomp

model = BertModel.from_pretrained("bert-base-uncased").eval()
dynamo_compiler = DynamoCompiler(
    primary_registry=tosa.ops_registry,
    aot_autograd_decomposition=inductor_decomp,
)

tokenizer = BertTokenizer.from_pretrained("bert-base-uncased")
encoded = tokenizer("Replace me by any text.", return_tensors="pt")
graphs = dynamo_compiler.importer(model, **encoded)

graph = graphs[0]
params = dynamo_compiler.imported_params[graph]
graph.lower_to_top_level_ir(do_params_pack=True)
print(graph._imported_module)
print(params)
