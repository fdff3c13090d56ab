package api_test
import ("testing";"strings";"fmt";"time";"runtime";"github.com/eksnode/eksnode/pkg/api")
func TestAdhoc(t *testing.T){
 r:=strings.Repeat; N:=1<<20-200; M:=16<<20-500
 mh:="Content-Type: multipart/mixed; boundary=B\n\n"; nc:="--B\nContent-Type: application/node.eks.aws\n\n"
 gen:=func(f string,n int) string { var b strings.Builder; for i:=0;b.Len()<n;i++ {fmt.Fprintf(&b,f,i)}; return b.String() }
 nested:=func() string { s:=""; e:=""; for i:=0;i<8;i++ { s+=fmt.Sprintf("Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n",i,i); e=fmt.Sprintf("\n--B%d--\n",i)+e }; return s+r("x\n",M/2-400)+e }
 cases:=map[string]string{
 "comments":header+r("#\n",N/2), "comments2":header+r("  #x\n",N/5), "[":header+"x: "+r("[",N), "[#":header+"x: ["+r("#\n",N/2), "[a#":header+"x: ["+r("a,#\n",N/4)+"]",
 "- #":header+"x:\n"+r("-\n#\n",N/4), "tag":header+r("!",N), "percent":header+r("\n%",N/2), "docs":r("---\na: b\n",N/9), "manykeys":header+gen("k%d: b\n",N), "dupkeys":header+r("a: b\n",N/5),
 "json":`{"apiVersion":"node.eks.aws/v1alpha1","kind":"NodeConfig","spec":{"kubelet":{"config":{"a":[`+r("1,",90000)+`1]}}}}`,
 "jsondup":`{"apiVersion":"node.eks.aws/v1alpha1","kind":"NodeConfig","x":{`+r(`"a":1,`,N/7)+`"a":1}}`,
 "jsonlong":`{"apiVersion":"node.eks.aws/v1alpha1","kind":"NodeConfig","x":{`+gen(`"a%d":1,`,N-200)+`"a":1}}`,
 "jsonunk":`{"apiVersion":"node.eks.aws/v1alpha1","kind":"NodeConfig","spec":{`+gen(`"a%d":1,`,N-200)+`"a":1}}`,
 "freekeys":header+"spec: {kubelet: {config: {"+gen("k%d: 1, ",900000)+"}}}",
 "words":header+"spec: {kubelet: {config: {a: ["+r("on, ",99000)+"]}}}",
 "flags":header+"spec: {kubelet: {flags: ["+gen("--node-labels=a=%d, ",N-100)+"]}}",
 "flags1":header+"spec: {kubelet: {flags: [--node-labels="+r("a=1;",N/4-100)+"]}}",
 "gates":header+"spec: {featureGates: {"+gen("k%d: true, ",900000)+"}}",
 "env":header+"spec:\n  instance:\n    environment:\n"+gen("      k%d: {\"a b\": c}\n",N-100),
 "toml1line":header+"spec: {containerd: {config: 'a={"+gen("k%d=1,",60000)+"z=1}'}}",
 "tomlblock":header+"spec:\n  containerd:\n    config: |\n"+gen("      [a.b%d]\n",60000),
 "tomlblock2":header+"spec:\n  containerd:\n    config: |\n      a = ["+r("1,",125000)+"]\n",
 "tomllong":header+"spec:\n  containerd:\n    config: |\n"+gen("      k%d = 1 # "+r("x",50)+"\n",250000),
 "tabs":header+"spec:\n"+r("\tx: 1\n",N/6), "tabs2":header+"x: \""+r("\n\t",N/2), "env err":header+"spec:\n  instance:\n    environment:\n"+r("          x: 1\n",N/16)+"     b\n",
 "ws":header+r(" ",N)+"x: 1", "ws2":header+"x:"+r(" ",N)+"1",  "quote":header+"x: '"+r("a\n",N/2),
 "mime lines":mh+nc+header+"--B\n"+r("x\n",M/2-200), "mime dashes":mh+r("--\n",M/3-100), "mime dashes2":"Content-Type: multipart/mixed\n\n"+r("--x\n",M/4-100), "mime delims":mh+r("--B\n",M/4-100),
 "mime header":"Content-Type: "+r("a;",M/2-100), "mime cont":"Content-Type: x\n"+r(" a\n",M/3-100), "mime nested":nested(), "mime part err":mh+nc+r("x",M-400), "mime manylines then err":mh+r("\n",M-N)+nc+header+r("x: 1\n",(N-1000)/5)+"--B--\n",
 "mime params":"Content-Type: multipart/mixed; "+r("a=b;",M/4-200)+"boundary=B\n\n--B\n\n--B--\n", "mime params2":"Content-Type: multipart/mixed; "+gen("a%d=b;",M-400)+"boundary=B\n\n--B\n\n--B--\n",
 "mime256":mh+r(nc+header+r("x: 1\n",800)+"\n",250)+"--B--\n", "base64 16M":r("QUJD",M/4), "crlf":mh+r("\r",M-200),
 "16M nl":r("\n",M), "16M sp":r(" ",M), "16M txt":header+r("x: 1\n",M/5-100),"16M --":"--B\nContent-Type: x\n\n"+r("--B\nContent-Type: x\n\n",M/22-2),
 "gz":"", }
 for n,s:= range cases { var ms runtime.MemStats; runtime.ReadMemStats(&ms); a:=ms.TotalAlloc; t0:=time.Now()
  m,ps:=api.Load([]api.Input{{Name:"imds://user-data",Raw:[]byte(s)}},api.Options{},now); d0:=time.Since(t0); m.Leaves(); out:=render(ps); api.Encode(m.Config,api.EncodeOptions{})
  runtime.ReadMemStats(&ms); d:=time.Since(t0)
  if d>150*time.Millisecond || ms.TotalAlloc-a>200<<20 { l:="";if len(ps)>0{l=ps[0].String(); if len(l)>90{l=l[:90]}}; t.Logf("%-24s %9d load %v all %v alloc %dMB probs %d report %d %s",n,len(s),d0,d,(ms.TotalAlloc-a)>>20,len(ps),len(out),l) } }
}
